//! Names, mounts, and machines where there is nothing to be had.

use super::*;

const ELSEWHERE: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw\n32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";

#[test]
fn the_own_group_is_found() {
    let found = |mounts: &str, groups: &str| directory(mounts, groups).map(|path| path.to_str().unwrap().to_owned());
    assert_eq!(found(ELSEWHERE, "1:cpu:/x\n0::/\n").unwrap().trim_end_matches('/'), "/sys/fs/cgroup/unified");
    let usual = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    let scope = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/w.scope\n";
    assert_eq!(
        found(usual, scope).as_deref(),
        Some("/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/w.scope")
    );
    let bound = "30 23 0:26 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup ro\n";
    assert_eq!(found(bound, "0::/docker/ab/in\n").as_deref(), Some("/sys/fs/cgroup/in"));
    assert_eq!(found(bound, "0::/docker/abc\n"), None);
    assert_eq!(found(usual, "0::/../outside\n"), None);
    assert_eq!(found("30 23 0:26 / /a\\040b rw - cgroup2 cgroup2 rw\n", "0::/\n"), None);
    assert_eq!(found(usual, "1:cpu:/\n"), None);
    assert_eq!(found("", ""), None);
}

#[test]
fn only_a_dead_keepers_group_is_anybodys() {
    let own = tempfile::tempdir().unwrap();
    let me = process(rustix::process::getpid().as_raw_pid()).unwrap();
    let mine = Name::of(me).unwrap();
    let recycled = Name { start: mine.start - 1, ..mine };
    let foreign = Name { namespace: mine.namespace + 1, start: 0, ..mine };
    let others = ["wharf", "wharf-", "wharf-1-2", "wharf-1-2-3-4", "wharf-01-2-3", "wharf-a-b-c", "init.scope"];
    let names = [mine, recycled, foreign].map(|name| name.to_string());
    for name in names.iter().map(String::as_str).chain(others) {
        fs::create_dir(own.path().join(name)).unwrap();
    }
    assert_eq!(abandoned(own.path()), [own.path().join(recycled.to_string())]);
    end(abandoned(own.path()));
    assert_eq!(fs::read_dir(own.path()).unwrap().count(), 2 + others.len());
}

#[test]
fn where_there_are_no_groups_a_command_is_started_without() {
    // No control group file system: the directory can be made, and nothing can be put into it.
    let own = tempfile::tempdir().unwrap();
    let (started, group) = Cgroup::around_in(own.path(), || 7);
    assert_eq!((started, group.is_none()), (7, true));
    assert_eq!(fs::read_dir(own.path()).unwrap().count(), 0);
    let (started, group) = Cgroup::around_in(&own.path().join("missing"), || 8);
    assert_eq!((started, group.is_none()), (8, true));
}

#[test]
fn groups_within_a_group_go_with_it_to_a_depth() {
    let own = tempfile::tempdir().unwrap();
    let group = own.path().join("g");
    fs::create_dir_all(group.join("a/b/c")).unwrap();
    fs::create_dir(group.join("d")).unwrap();
    assert!(!remove(&group, 2));
    assert!(group.join("a/b/c").exists());
    assert!(remove(&group, 3) && !group.exists());
    assert!(remove(&group, 3));
}
