//! What a file has beside its content, for the file that takes its place.

use std::ffi::{CStr, CString};
use std::fs::File;

use rustix::fs::{Gid, Mode, Uid, XattrFlags};
use rustix::io::Errno;

use super::super::place::Fingerprint;

/// The kernel's limits for the list of names and for one value.
const LIST_MAX_BYTES: usize = 64 << 10;
const VALUE_MAX_BYTES: usize = 64 << 10;

const OWNER: &str = "its owner or group could not be kept";
const ATTRIBUTES: &str = "its access list or its extended attributes could not be kept";
const CAPABILITIES: &str = "its capabilities were dropped, as its content is another one";

/// Gives `new` what `old` has, and `mode` where that is to change. `Err`: it cannot have this; else what it is not to have.
pub(super) fn keep(
    old: &File,
    new: &File,
    existing: &Fingerprint,
    mode: Option<u32>,
) -> Result<Vec<&'static str>, &'static str> {
    let owner = |file: &File| rustix::fs::fstat(file).map(|stat| (stat.st_uid, stat.st_gid)).map_err(|_| OWNER);
    if owner(new)? != existing.owner {
        let (user, group) = (Uid::from_raw(existing.owner.0), Gid::from_raw(existing.owner.1));
        rustix::fs::fchown(new, Some(user), Some(group)).map_err(|_| OWNER)?;
    }
    // An access list is wider than these bits: first them, then it.
    let set = |mode| rustix::fs::fchmod(new, Mode::from_raw_mode(mode)).map_err(|_| OWNER);
    set(existing.mode)?;
    let lost = attributes(old, new).map_err(|_| ATTRIBUTES)?;
    if let Some(mode) = mode.filter(|mode| *mode != existing.mode) {
        set(mode)?;
    }
    Ok(lost)
}

fn attributes(old: &File, new: &File) -> Result<Vec<&'static str>, Errno> {
    let (has, got) = (names(old)?, names(new)?);
    let mut lost = Vec::new();
    for name in &has {
        match name.to_bytes() {
            b"security.capability" => lost.push(CAPABILITIES),
            // Sums over the content, which the system makes.
            b"security.ima" | b"security.evm" => {}
            _ => {
                let wanted = value(old, name)?;
                // The system gives labels to new files; mostly the right ones.
                if !got.contains(name) || value(new, name)? != wanted {
                    rustix::fs::fsetxattr(new, name.as_c_str(), &wanted, XattrFlags::empty())?;
                }
            }
        }
    }
    // What the directory gives to new files, an access list above all.
    for name in got.iter().filter(|name| !has.contains(name) && !name.to_bytes().starts_with(b"security.")) {
        rustix::fs::fremovexattr(new, name.as_c_str())?;
    }
    Ok(lost)
}

fn names(file: &File) -> Result<Vec<CString>, Errno> {
    let mut buffer = vec![0u8; LIST_MAX_BYTES];
    let len = match rustix::fs::flistxattr(file, &mut buffer[..]) {
        Ok(len) => len,
        Err(Errno::NOTSUP | Errno::NOSYS) => 0,
        Err(error) => return Err(error),
    };
    let names = buffer[..len].split_inclusive(|byte| *byte == 0);
    Ok(names.filter_map(|name| CStr::from_bytes_with_nul(name).ok()).map(CStr::to_owned).collect())
}

fn value(file: &File, name: &CStr) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0u8; VALUE_MAX_BYTES];
    let len = rustix::fs::fgetxattr(file, name, &mut buffer[..])?;
    buffer.truncate(len);
    Ok(buffer)
}
