// Included by hidden lines of the guide's examples: makes a directory that only its owner can read
// or write, makes it the current directory, and evaluates to a guard that removes it.
{
    struct Guard(std::path::PathBuf);

    impl Drop for Guard {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    use std::os::unix::fs::DirBuilderExt;
    let now = std::time::UNIX_EPOCH.elapsed()?.as_nanos();
    let path = std::env::temp_dir().join(format!("daemonic-guide-{}-{now}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&path)?;
    let guard = Guard(path);
    std::env::set_current_dir(&guard.0)?;
    guard
}
