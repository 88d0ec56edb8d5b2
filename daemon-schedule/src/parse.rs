//! The grammar of cron expressions.
//!
//! It is that of Debian's crontab(5), with `L`, `W` and `#` for days. What cron silently ignores is a
//! mistake here: a range that runs backwards, and a step that leaves only the first value.

use std::ops::Range;

use crate::calendar::{CYCLE, Month};
use crate::days::Days;
use crate::error::{Field, ParseError, Reason};

/// A checked expression, as sets of bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Bits 0 to 59.
    pub minutes: u64,
    /// Bits 0 to 23.
    pub hours: u32,
    /// Bits 1 to 12.
    pub months: u16,
    pub days: Days,
    /// Whether the minute or the hour begins with a `*`.
    pub has_star: bool,
}

const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Reads an expression.
pub fn parse(text: &str) -> Result<Fields, ParseError> {
    let words: Vec<Part> = words(text).collect();
    match words[..] {
        [word] if word.text.starts_with('@') => Part::whole(at_word(word)?).fields(),
        _ => Part::whole(text).fields(),
    }
}

/// Returns what a word such as `@daily` stands for.
fn at_word(word: Part<'_>) -> Result<&'static str, ParseError> {
    if word.text == "@reboot" {
        let message = "`@reboot` names no time: have the action `start` called when the system boots";
        return Err(word.error(Reason::Reboot, None, message));
    }
    let known = WORDS.iter().find(|(name, _)| *name == word.text);
    known.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let names = WORDS.map(|(name, _)| name);
        let (last, rest) = names.split_last().expect("seven words");
        let message = format!("the word `{}` is unknown: use {}, or {last}", word.shown(), rest.join(", "));
        word.error(Reason::UnknownWord, None, message)
    })
}

/// A part of the text, with its place in it.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    start: usize,
}

/// Splits a text at its white space.
fn words(text: &str) -> impl Iterator<Item = Part<'_>> {
    Part::whole(text).split(|letter| letter.is_ascii_whitespace()).filter(|word| !word.text.is_empty())
}

impl<'a> Part<'a> {
    fn whole(text: &'a str) -> Self {
        Self { text, start: 0 }
    }

    fn span(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    fn split(self, is_separator: impl FnMut(char) -> bool) -> impl Iterator<Item = Self> {
        self.text.split(is_separator).map(move |text| Self {
            text,
            // The piece is a part of this text.
            start: self.start + (text.as_ptr().addr() - self.text.as_ptr().addr()),
        })
    }

    /// Splits at the first separator of one byte.
    fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let at = self.text.find(separator)?;
        let after = at + separator.len_utf8();
        let rest = Self { text: &self.text[after..], start: self.start + after };
        Some((Self { text: &self.text[..at], ..self }, rest))
    }

    fn without_last(self, last: char) -> Option<Self> {
        let text = self.text.strip_suffix(|letter: char| letter.eq_ignore_ascii_case(&last))?;
        Some(Self { text, ..self })
    }

    fn is(self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    /// Returns the text for a message, on one line and not too long.
    fn shown(self) -> String {
        let mut letters = self.text.escape_debug();
        let mut shown: String = letters.by_ref().take(40).collect();
        if letters.next().is_some() {
            shown.push('…');
        }
        shown
    }

    fn error(self, reason: Reason, field: Option<Field>, message: impl Into<String>) -> ParseError {
        ParseError { reason, field, span: self.span(), message: message.into() }
    }

    /// Makes the error of a field: "the hour `24` " and the rest of the message.
    fn wrong<T>(self, field: Field, reason: Reason, rest: &str) -> Result<T, ParseError> {
        let message = format!("the {field} `{}` {rest}", self.shown());
        Err(self.error(reason, Some(field), message))
    }

    fn fields(self) -> Result<Fields, ParseError> {
        let words: Vec<Part> = words(self.text).collect();
        let [minute, hour, date, month, weekday] = words[..] else {
            return Err(self.field_count(&words));
        };
        let begins_with_star = |part: Part| part.text.starts_with('*');
        let minutes = minute.bits(Field::Minute)?;
        let hours = hour.bits(Field::Hour)?;
        let mut days = Days { both: begins_with_star(date) || begins_with_star(weekday), ..Days::default() };
        for item in date.items(Field::DayOfMonth) {
            item?.date(&mut days)?;
        }
        let months = month.bits(Field::Month)?;
        for item in weekday.items(Field::DayOfWeek) {
            item?.weekday(&mut days)?;
        }
        let fields = Fields {
            minutes,
            hours: u32::try_from(hours).expect("24 hours"),
            months: u16::try_from(months).expect("12 months"),
            days,
            has_star: begins_with_star(minute) || begins_with_star(hour),
        };
        if fields.ever_comes() { Ok(fields) } else { Err(self.never(date, month, weekday)) }
    }

    fn field_count(self, words: &[Part]) -> ParseError {
        let names = "minute, hour, day of month, month, day of week";
        let (count, extra) = match words {
            [] => ("is empty".to_owned(), None),
            [_] => ("has 1".to_owned(), None),
            [_, _, _, _, _, extra, ..] => (format!("has {}", words.len()), Some(extra)),
            _ => (format!("has {}", words.len()), None),
        };
        let message = format!("a cron expression has five fields ({names}), but this one {count}");
        // What is too much, or else the whole expression.
        let (start, end) = match (extra.or(words.first()), words.last()) {
            (Some(first), Some(last)) => (first.start, last.span().end),
            _ => (0, self.text.len()),
        };
        Part { text: &self.text[start..end], start }.error(Reason::FieldCount, None, message)
    }

    fn never(self, date: Part, month: Part, weekday: Part) -> ParseError {
        let (end, also) = match weekday.text {
            "*" => (month.span().end, String::new()),
            day => (weekday.span().end, format!(" that is also day of week `{day}`")),
        };
        let message = format!(
            "the day of month `{}` never comes: no year has one in month `{}`{also}",
            date.shown(),
            month.shown()
        );
        let part = Part { text: &self.text[date.start..end], start: date.start };
        part.error(Reason::Never, Some(Field::DayOfMonth), message)
    }

    /// Splits a field's list at the commas.
    fn items(self, field: Field) -> impl Iterator<Item = Result<Self, ParseError>> {
        self.split(|letter| letter == ',').map(move |item| {
            if item.text.is_empty() { self.incomplete(field, "an empty item in its list") } else { Ok(item) }
        })
    }

    /// Reads a field without words of its own.
    fn bits(self, field: Field) -> Result<u64, ParseError> {
        self.items(field).try_fold(0, |bits, item| Ok(bits | item?.range(field)?))
    }

    /// Reads an item of the third field.
    fn date(self, days: &mut Days) -> Result<(), ParseError> {
        let field = Field::DayOfMonth;
        if self.is("L") {
            days.last = true;
        } else if self.is("LW") {
            days.last_workday = true;
        } else if let Some(day) = self.without_last('W').filter(|day| !day.text.is_empty()) {
            if !day.text.bytes().all(|letter| letter.is_ascii_digit()) {
                return self.unknown(field);
            }
            days.nearest_workday |= 1 << day.value(field)?;
        } else if self.text.contains(['L', 'l', 'W', 'w']) {
            // As a part of a range, such as `L-3`.
            return self.unknown(field);
        } else {
            days.dates |= u32::try_from(self.range(field)?).expect("31 days");
        }
        Ok(())
    }

    /// Reads an item of the fifth field.
    fn weekday(self, days: &mut Days) -> Result<(), ParseError> {
        let field = Field::DayOfWeek;
        if let Some((day, place)) = self.split_once('#') {
            if day.text.is_empty() || place.text.is_empty() {
                return self.incomplete(field, "a part missing beside its `#`");
            }
            let day = day.value(field)? % 7;
            match place.number() {
                Some(place @ 1..=5) => days.nth_weekdays[place as usize - 1] |= 1 << day,
                Some(_) => {
                    return place.wrong(field, Reason::OutOfRange, "is out of range: use #1 to #5");
                }
                None => return self.unknown(field),
            }
        } else if self.is("L") {
            let repair = "lacks the day: use SATL for the last Saturday of the month, or L in the day of month for its last day";
            return self.wrong(field, Reason::LastOfNoDay, repair);
        } else if let Some(day) = self.without_last('L').filter(|day| !day.text.contains(['-', '/', '*'])) {
            days.last_weekdays |= 1 << (day.value(field)? % 7);
        } else if self.text.contains(['L', 'l']) {
            // No day has this letter in its name.
            return self.unknown(field);
        } else {
            let bits = self.range(field)?;
            // 7 is Sunday, as 0 is.
            days.weekdays |= u8::try_from(bits & 0x7F | bits >> 7 & 1).expect("7 days");
        }
        Ok(())
    }

    /// Reads `*`, `5`, `1-5`, `*/2` or `1-5/2`.
    fn range(self, field: Field) -> Result<u64, ParseError> {
        let (base, step) = self.split_once('/').map_or((self, None), |(base, step)| (base, Some(step)));
        let (first, last) = if base.text == "*" {
            limits(field)
        } else if let Some((first, last)) = base.split_once('-') {
            if first.text.is_empty() || last.text.is_empty() {
                return base.incomplete(field, "a range without one of its ends");
            }
            let first = first.value(field)?;
            // Sunday is the first day, but a range may end on it.
            let is_sunday = field == Field::DayOfWeek && first > 0 && last.is(WEEKDAYS[0]);
            let last = if is_sunday { 7 } else { last.value(field)? };
            if last < first {
                return base.backwards(field, first, last);
            }
            (first, last)
        } else if base.text.is_empty() {
            return self.incomplete(field, "a step without a range");
        } else {
            let only = base.value(field)?;
            if let Some(step) = step {
                let repair = format!(
                    "has a step without a range: use {only}-{}/{}",
                    limits(field).1,
                    if step.text.is_empty() { "2".to_owned() } else { step.shown() }
                );
                return self.wrong(field, Reason::StepWithoutRange, &repair);
            }
            (only, only)
        };
        let step = step.map_or(Ok(1), |step| self.step(field, step, first, last))?;
        Ok((first..=last).step_by(step).fold(0, |bits, value| bits | 1 << value))
    }

    fn step(self, field: Field, step: Self, first: u32, last: u32) -> Result<usize, ParseError> {
        if step.text.is_empty() {
            return self.incomplete(field, "a `/` without a step");
        }
        let most = (last - first).max(1);
        match step.number() {
            Some(step) if (1..=most).contains(&step) => Ok(step as usize),
            Some(0) => self.wrong(field, Reason::Step, &format!("has a step of 0: use 1 to {most}")),
            Some(_) => {
                let repair = format!("takes only {first}: use {first}, or a step from 1 to {most}");
                self.wrong(field, Reason::Step, &repair)
            }
            None => {
                let rest = format!("has an unknown step: use 1 to {most}");
                self.wrong(field, Reason::Unknown, &rest)
            }
        }
    }

    /// Reads a number or a name.
    fn value(self, field: Field) -> Result<u32, ParseError> {
        let (first, last) = limits(field);
        let names: &[&str] = match field {
            Field::Month => &MONTHS,
            Field::DayOfWeek => &WEEKDAYS,
            _ => &[],
        };
        if let Some(at) = names.iter().position(|name| self.is(name)) {
            return Ok(first + u32::try_from(at).expect("12 names at most"));
        }
        match self.number() {
            Some(number) if (first..=last).contains(&number) => Ok(number),
            Some(_) => {
                let rest = format!("is out of range: use {}", field.allowed());
                self.wrong(field, Reason::OutOfRange, &rest)
            }
            None => self.unknown(field),
        }
    }

    /// Reads digits. A number that is too large for a field may come out smaller than it is.
    fn number(self) -> Option<u32> {
        let digits = !self.text.is_empty() && self.text.bytes().all(|letter| letter.is_ascii_digit());
        digits.then(|| self.text.parse().unwrap_or(u32::MAX))
    }

    fn unknown<T>(self, field: Field) -> Result<T, ParseError> {
        let also = if self.text.contains('?') { "*, " } else { "" };
        self.wrong(field, Reason::Unknown, &format!("is unknown: use {also}{}", field.allowed()))
    }

    fn incomplete<T>(self, field: Field, what: &str) -> Result<T, ParseError> {
        self.wrong(field, Reason::Incomplete, &format!("has {what}"))
    }

    fn backwards<T>(self, field: Field, from: u32, to: u32) -> Result<T, ParseError> {
        let (first, last) = limits(field);
        let range = |from: u32, to: u32| if from == to { from.to_string() } else { format!("{from}-{to}") };
        // 7 is 0 in the last field, so a week that goes round ends on 6.
        let last = if field == Field::DayOfWeek { 6 } else { last };
        let repair = if from > last {
            range(first, to)
        } else {
            format!("{},{}", range(from, last), range(first, to))
        };
        self.wrong(field, Reason::Backwards, &format!("runs backwards: use {repair}"))
    }
}

/// Returns the first and the last number of a field.
fn limits(field: Field) -> (u32, u32) {
    match field {
        Field::Minute => (0, 59),
        Field::Hour => (0, 23),
        Field::DayOfMonth => (1, 31),
        Field::Month => (1, 12),
        Field::DayOfWeek => (0, 7),
    }
}

impl Fields {
    /// Returns whether a day of the calendar matches.
    fn ever_comes(&self) -> bool {
        let years = 2000..2000 + CYCLE;
        let mut months = years.flat_map(|year| (1..=12).map(move |month| Month { year, month }));
        months.any(|month| self.months & 1 << month.month != 0 && self.days.of(month) != 0)
    }
}
