//! The parser: what it accepts, what it refuses, what its errors point at.

use proptest::prelude::*;

use crate::cron::Cron;
use crate::error::{Field, ParseError, Reason};
#[cfg(feature = "zones")]
use crate::zone::Zone;

fn error(text: &str) -> ParseError {
    text.parse::<Cron>().expect_err(text)
}

/// Checks which part of the text is wrong, in which field, and the whole message.
#[track_caller]
fn refused(text: &str, part: &str, field: Option<Field>, reason: Reason, message: &str) {
    let error = error(text);
    assert_eq!(&text[error.span()], part, "{error}");
    assert_eq!((error.field(), error.reason()), (field, reason), "{error}");
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_value_out_of_range_is_refused_with_the_range() {
    let out = Reason::OutOfRange;
    refused("60 * * * *", "60", Some(Field::Minute), out, "the minute `60` is out of range: use 0 to 59");
    refused("0 3,24 * * *", "24", Some(Field::Hour), out, "the hour `24` is out of range: use 0 to 23");
    refused(
        "0 0 * 1-13 *",
        "13",
        Some(Field::Month),
        out,
        "the month `13` is out of range: use 1 to 12, or JAN to DEC",
    );
    for (text, part) in [
        ("0 0 0 * *", "0"),
        ("0 0 32W * *", "32"),
        ("0 0 0W * *", "0"),
        ("0 0 * * 8", "8"),
        ("0 0 * * 8#1", "8"),
        ("0 0 * * MON#6", "6"),
        ("0 0 * * MON#0", "0"),
        ("99999999999999999999 * * * *", "99999999999999999999"),
    ] {
        let error = error(text);
        assert_eq!((&text[error.span()], error.reason()), (part, out), "{error}");
    }
}

#[test]
fn an_unknown_value_is_refused_with_those_that_the_field_may_have() {
    let unknown = Reason::Unknown;
    refused("x * * * *", "x", Some(Field::Minute), unknown, "the minute `x` is unknown: use 0 to 59");
    refused(
        "0 0 ? * 1",
        "?",
        Some(Field::DayOfMonth),
        unknown,
        "the day of month `?` is unknown: use *, 1 to 31, L for the last day, 15W for the workday nearest to the 15th, \
         or LW for the last workday",
    );
    refused(
        "0 0 * * MON-FRY",
        "FRY",
        Some(Field::DayOfWeek),
        unknown,
        "the day of week `FRY` is unknown: use 0 to 7 (0 and 7 are Sunday), SUN to SAT, FRI#2 for the second Friday, \
         or FRIL for the last one",
    );
    for (text, part) in [
        ("JAN * * * *", "JAN"),
        ("0 MON * * *", "MON"),
        ("0 0 * JANUARY *", "JANUARY"),
        ("0 0 * MON *", "MON"),
        ("0 0 * * JAN", "JAN"),
        ("-1 * * * *", "-1"),
        ("+1 * * * *", "+1"),
        ("1.5 * * * *", "1.5"),
        ("L * * * *", "L"),
        ("0 0 W * *", "W"),
        ("0 0 1-5W * *", "1-5W"),
        ("0 0 WL * *", "WL"),
        ("0 0 1-L * *", "1-L"),
        ("0 0 * * MON#L", "MON#L"),
        ("0 0 * * 15W", "15W"),
        ("0 0 ** * *", "**"),
        ("0 0 ü * *", "ü"),
        ("0 0 * * fri\u{131}", "fri\u{131}"),
        ("*/x * * * *", "*/x"),
        ("*/1/2 * * * *", "*/1/2"),
        ("1-2-3 * * * *", "2-3"),
        // `L` and `FRIL` alone are known.
        ("0 0 L-3 * *", "L-3"),
        ("0 0 1-LW * *", "1-LW"),
        ("0 0 L/2 * *", "L/2"),
        ("0 0 * * FRIL-SAT", "FRIL-SAT"),
    ] {
        let error = error(text);
        let reason = if text.starts_with("-1") { Reason::Incomplete } else { unknown };
        assert_eq!((&text[error.span()], error.reason()), (part, reason), "{error}");
    }
}

#[test]
fn a_part_that_is_missing_is_named() {
    for (text, part, message) in [
        ("1,,2 * * * *", "1,,2", "the minute `1,,2` has an empty item in its list"),
        ("0 1, * * *", "1,", "the hour `1,` has an empty item in its list"),
        ("0 1- * * *", "1-", "the hour `1-` has a range without one of its ends"),
        ("0 */ * * *", "*/", "the hour `*/` has a `/` without a step"),
        ("0 /2 * * *", "/2", "the hour `/2` has a step without a range"),
        ("0 0 * * #2", "#2", "the day of week `#2` has a part missing beside its `#`"),
        ("0 0 * * FRI#", "FRI#", "the day of week `FRI#` has a part missing beside its `#`"),
    ] {
        let error = error(text);
        assert_eq!((&text[error.span()], error.reason()), (part, Reason::Incomplete));
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn what_cron_would_ignore_is_refused_with_its_repair() {
    let is_refused_as = |text: &str, reason: Reason, repair: &str| {
        let error = error(text);
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.to_string().ends_with(repair), "{error}");
        // The repair is one.
        let repaired = repair.trim_start_matches(|letter: char| !"0123456789".contains(letter));
        let words: Vec<_> = text.split(' ').collect();
        let place = words.iter().position(|word| word.contains(&text[error.span()])).unwrap();
        let mut words = words;
        if !repaired.contains("to ") {
            words[place] = repaired;
            assert!(words.join(" ").parse::<Cron>().is_ok(), "{words:?}");
        }
    };
    is_refused_as("0 22-2 * * *", Reason::Backwards, "runs backwards: use 22-23,0-2");
    is_refused_as("0 23-0 * * *", Reason::Backwards, "runs backwards: use 23,0");
    is_refused_as("0 0 * * FRI-MON", Reason::Backwards, "runs backwards: use 5-6,0-1");
    is_refused_as("0 0 * * 7-2", Reason::Backwards, "runs backwards: use 0-2");
    is_refused_as("0 0 * NOV-FEB *", Reason::Backwards, "runs backwards: use 11-12,1-2");
    is_refused_as("5/15 * * * *", Reason::StepWithoutRange, "use 5-59/15");
    is_refused_as("*/0 * * * *", Reason::Step, "has a step of 0: use 1 to 59");
    is_refused_as("*/60 * * * *", Reason::Step, "takes only 0: use 0, or a step from 1 to 59");
    is_refused_as("0 8-10/3 * * *", Reason::Step, "takes only 8: use 8, or a step from 1 to 2");
}

#[test]
fn the_fields_are_counted() {
    let names =
        "a cron expression has five fields (minute, hour, day of month, month, day of week), but this one";
    refused("", "", None, Reason::FieldCount, &format!("{names} is empty"));
    refused(" \t", " \t", None, Reason::FieldCount, &format!("{names} is empty"));
    refused(" 5 ", "5", None, Reason::FieldCount, &format!("{names} has 1"));
    refused("0 3 * *", "0 3 * *", None, Reason::FieldCount, &format!("{names} has 4"));
    // What is too much.
    refused("0 3 * * * 2026  x ", "2026  x", None, Reason::FieldCount, &format!("{names} has 7"));
}

#[test]
fn words_stand_for_expressions() {
    for (word, meaning) in [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        (" @daily ", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ] {
        let cron: Cron = word.parse().unwrap();
        assert_eq!(cron, meaning.parse().unwrap());
        assert_eq!(cron.to_string(), word.trim());
    }
    refused(
        "@reboot",
        "@reboot",
        None,
        Reason::Reboot,
        "`@reboot` names no time: have the action `start` called when the system boots",
    );
    refused(
        "@fortnightly",
        "@fortnightly",
        None,
        Reason::UnknownWord,
        "the word `@fortnightly` is unknown: use @yearly, @annually, @monthly, @weekly, @daily, @midnight, or @hourly",
    );
}

#[test]
fn an_expression_that_never_comes_is_refused() {
    let never = Reason::Never;
    refused(
        "0 0 30 2 *",
        "30 2",
        Some(Field::DayOfMonth),
        never,
        "the day of month `30` never comes: no year has one in month `2`",
    );
    refused(
        "0 0 */30 4 SAT#3",
        "*/30 4 SAT#3",
        Some(Field::DayOfMonth),
        never,
        "the day of month `*/30` never comes: no year has one in month `4` that is also day of week `SAT#3`",
    );
    for text in ["0 0 31 4,6,9,11 *", "0 0 30W FEB *", "0 0 31W 4 *", "0 0 */30 * SUN#3"] {
        assert_eq!(error(text).reason(), never, "{text}");
    }
    for text in [
        "0 0 29 2 *",
        "0 0 29W 2 *",
        "0 0 29 2 MON",
        "0 0 30 2 MON",
        "0 0 * 2 MON#5",
        "0 0 L 2 *",
        "0 0 */28 2 MON#5",
        "0 0 31 * *",
    ] {
        assert!(text.parse::<Cron>().is_ok(), "{text}");
    }
}

#[test]
fn the_last_of_no_day_is_refused() {
    let error = error("0 0 * * L");
    assert_eq!((error.reason(), error.field()), (Reason::LastOfNoDay, Some(Field::DayOfWeek)));
    assert!(error.to_string().contains("SATL"), "{error}");
}

#[test]
fn the_same_times_are_equal_however_they_are_written() {
    for (one, other) in [
        ("0 0 * * 0", "0 0 * * 7"),
        ("0 0 * * SUN", "00 000 * * sun"),
        ("0 0 * * FRI-SUN", "0 0 * * 5,6,0"),
        ("0 0 * * 1-7/2", "0 0 * * 1,3,5,7"),
        ("0 0 * jan-mar *", "0 0 * 1-3 *"),
        ("0-59/20 * * * *", "0,20,40 * * * *"),
        ("0 0 lw,15w,l * *", "0 0 L,LW,15W * *"),
        ("0 0 * * fril,1#2", "0 0 * * MON#2,5L"),
        ("0 0 * * SUN-SUN", "0 0 * * 0"),
    ] {
        assert_eq!(one.parse::<Cron>().unwrap(), other.parse().unwrap());
    }
    // A star says more than its values: what follows elapsed time, and which days match.
    for (one, other) in [
        ("*/20 0 * * *", "0,20,40 0 * * *"),
        ("0 0 1-31 * MON", "0 0 * * MON"),
        ("0 0 * * SUN-SUN", "0 0 * * 0-7"),
    ] {
        assert_ne!(one.parse::<Cron>().unwrap(), other.parse().unwrap());
    }
}

#[test]
fn long_text_is_cut_in_messages() {
    let long = format!("{} * * * *", "x\n".repeat(3).replace('\n', "y").repeat(1000));
    let message = error(&long).to_string();
    assert!(message.len() < 100 && message.contains('…'), "{message}");
}

/// Text that is like an expression.
fn similar() -> impl Strategy<Value = String> {
    let item = prop_oneof![
        Just("*".to_owned()),
        (0..70_u32).prop_map(|number| number.to_string()),
        (0..70_u32, 0..70_u32).prop_map(|(first, last)| format!("{first}-{last}")),
        "[*0-9LWlw#/,-]{0,6}",
        "[*]/[0-9]{1,2}",
        "[0-9]{1,2}-[0-9]{1,2}/[0-9]{1,2}",
        "(JAN|dec|SUN|mon|FRI)(L|#[0-9]|-SUN|-mar|)",
    ];
    let field = proptest::collection::vec(item, 1..4).prop_map(|items| items.join(","));
    proptest::collection::vec(field, 4..7).prop_map(|fields| fields.join(" "))
}

/// Fields that are right.
fn right() -> impl Strategy<Value = String> {
    fn field(first: u32, last: u32, special: &'static str) -> impl Strategy<Value = String> {
        let item = prop_oneof![
            Just("*".to_owned()),
            (1..=last - first).prop_map(|step| format!("*/{step}")),
            (first..=last).prop_map(|number| number.to_string()),
            (first..=last, first..=last).prop_map(|(one, other)| format!(
                "{}-{}",
                one.min(other),
                one.max(other)
            )),
            special,
        ];
        proptest::collection::vec(item, 1..4).prop_map(|items| items.join(","))
    }
    (
        field(0, 59, "[0-5][0-9]"),
        field(0, 23, "[01][0-9]"),
        field(1, 31, "L|LW|[1-9]W|[12][0-9]W"),
        field(1, 12, "JAN|jun|Dec|MAR-NOV/2"),
        field(0, 7, "MON|tue-FRI|SATL|[0-7]#[1-5]|fri-SUN"),
    )
        .prop_map(|(minute, hour, date, month, weekday)| format!("{minute} {hour} {date} {month} {weekday}"))
}

/// Checks what holds for every text. Returns whether it is an expression.
fn check(text: &str) -> Result<bool, TestCaseError> {
    match text.parse::<Cron>() {
        Ok(cron) => {
            let shown = cron.to_string();
            let again: Cron =
                shown.parse().map_err(|error| TestCaseError::fail(format!("{shown}: {error}")))?;
            prop_assert_eq!(&again, &cron);
            prop_assert_eq!(again.to_string(), shown);
            Ok(true)
        }
        Err(error) => {
            // The span is within the text, and at the boundaries of characters.
            prop_assert!(text.get(error.span()).is_some(), "{:?}", error.span());
            let message = error.to_string();
            prop_assert!(!message.is_empty() && message.len() < 400 && !message.contains('\n'), "{message}");
            Ok(false)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn text_that_is_like_an_expression_is_read_or_refused(text in similar()) {
        check(&text)?;
    }

    #[test]
    fn what_is_right_is_read(text in right()) {
        let is_expression = check(&text)?;
        prop_assert!(is_expression || error(&text).reason() == Reason::Never, "{}", error(&text));
    }
}

/// `DAEMONIC_TORTURE=long` tries more.
fn cases() -> u32 {
    if std::env::var("DAEMONIC_TORTURE").is_ok_and(|length| length == "long") { 200_000 } else { 500 }
}

#[test]
#[cfg(feature = "zones")]
fn only_the_database_has_zones() {
    for name in ["Etc/Unknown", "etc/unknown", "Europe/Atlantis", ""] {
        let error = Zone::named(name).unwrap_err().to_string();
        assert!(error.starts_with(&format!("unknown time zone `{name}`: ")), "{error}");
    }
}
