//! The lines of a log in which a daemon reports about itself.

/// A line such as `2026-11-27T04:35:16.123Z WARN subject: respawning in 1s: killed by SIGKILL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice<'a> {
    pub time: &'a str,
    pub level: &'a str,
    /// The name and the text.
    pub message: &'a str,
}

impl<'a> Notice<'a> {
    /// Reads a line. Returns `None` if it is not exactly of this form.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (time, rest) = line.split_once(' ')?;
        let (level, message) = rest.split_once(' ')?;
        let form = time.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter });
        let is_notice = form.eq("0000-00-00T00:00:00.000Z".chars())
            && ["INFO", "WARN", "ERROR"].contains(&level)
            && message.contains(": ");
        is_notice.then_some(Self { time, level, message })
    }

    /// Lists the notices of a log.
    pub fn all(log: &'a str) -> Vec<Self> {
        log.lines().filter_map(Self::parse).collect()
    }

    /// Returns whether the notice comes with every stop or reload, or with a busy machine.
    fn is_routine(&self) -> bool {
        self.level == "INFO"
            || [" skipped: ", " suspended or stopped"].iter().any(|text| self.message.contains(text))
    }
}

/// Returns a log without what varies: the times and levels of notices, and all routine notices.
pub fn unstamped(log: &str) -> String {
    let mut text = String::new();
    for line in log.split_inclusive('\n') {
        match Notice::parse(line.trim_end_matches('\n')) {
            Some(notice) if notice.is_routine() => {}
            Some(notice) => text.extend([notice.message, "\n"]),
            None => text += line,
        }
    }
    text
}
