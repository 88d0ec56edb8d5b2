//! The directory of the state file, which a launcher makes.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;

use crate::command::error::{Error, Result};
use crate::lock::pidfile::make_private;
use crate::settings::StateChoice;
use crate::start::identity::Identity;

/// Makes the directory of a default state file if it is missing. The directory of root's default then belongs to the
/// daemon's user. A directory that exists is left as it is, because it may be another program's.
pub(crate) fn make(choice: &StateChoice, identity: Option<&Identity>) -> Result<()> {
    let directory = choice.path().as_path().parent().unwrap_or(Path::new("/"));
    let made = match choice {
        StateChoice::Given(_) => Ok(()),
        StateChoice::UserDefault(_) => make_private(directory),
        StateChoice::RootDefault(_) => make_for(directory, identity),
    };
    made.map_err(|error| {
        let directory = directory.display();
        Error::io(format_args!("cannot make the directory {directory} for the state file"), &error)
    })
}

fn make_for(directory: &Path, identity: Option<&Identity>) -> io::Result<()> {
    const MODE: u32 = 0o755;
    match DirBuilder::new().mode(MODE).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    // Sets the mode whatever the umask.
    let made = fs::set_permissions(directory, Permissions::from_mode(MODE)).and_then(|()| {
        let (uid, gid) = identity.map_or((None, None), Identity::ids);
        chown(directory, uid, gid)
    });
    // The next start must not find a directory with the wrong owner.
    made.inspect_err(|_| drop(fs::remove_dir(directory)))
}
