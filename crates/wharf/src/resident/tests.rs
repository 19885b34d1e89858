//! What is given back, and that nothing is missing afterwards.

use super::*;

#[test]
fn only_unchanged_mappings_of_files_are_given_back() {
    let smaps = "\
55d0a000-55d0b000 r--p 00000000 fe:00 77                    /bin/wharf\n\
Size:                  4 kB\n\
Anonymous:             0 kB\n\
VmFlags: rd mr mw me\n\
55d0b000-55d0c000 r-xp 00001000 fe:00 77                    /bin/wha rf: it\n\
Anonymous:             0 kB\n\
55d0c000-55d0d000 r--p 00002000 fe:00 77                    /bin/wharf\n\
Anonymous:             4 kB\n\
55d0d000-55d0e000 rw-p 00003000 fe:00 77                    /bin/wharf\n\
Anonymous:             0 kB\n\
55d0e000-55d0f000 r--s 00003000 fe:00 78                    /shared\n\
Anonymous:             0 kB\n\
7ffc0000-7ffc1000 r-xp 00000000 00:00 0                     [vdso]\n\
Anonymous:             0 kB\n";
    assert_eq!(unchanged(smaps), [0x55d0_a000..0x55d0_b000, 0x55d0_b000..0x55d0_c000]);
    assert!(unchanged("").is_empty() && unchanged("nonsense\nAnonymous: 0 kB").is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_goes_on_with_less_of_its_program() {
    let of_files = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let before = of_files();
    give_back();
    let after = of_files();
    assert!(after < before, "{after} KiB are mapped, {before} were");
    assert_eq!(serde_json::from_str::<Vec<u8>>("[1, 2]").unwrap(), [1, 2]);
}

#[test]
fn a_process_becomes_quiet_once_until_it_works_again() {
    let looks = |used: &[u64]| {
        let mut quiet = Quiet::default();
        used.iter().map(|&used| quiet.look(used)).collect::<Vec<_>>()
    };
    assert_eq!(looks(&[9, 9, 10, 10, 10]), [false, false, true, false, false], "its start, then nothing but timers");
    assert_eq!(looks(&[9, 9, 20, 20, 20, 20]), [false, false, false, false, true, false], "a turn comes in between");
    assert_eq!(looks(&[9, 9, 9, 20, 20, 20]), [false, false, true, false, false, true], "quiet, a turn, quiet again");
    assert_eq!(looks(&[9, 11, 13, 15]), [false; 4], "steady work");
}

#[test]
fn processor_time_is_read_whatever_the_program_is_called() {
    let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 5316 0 82 0 13 4 0 0 20 0 5 0 43";
    assert_eq!(ticks_of(stat), Some(17));
    assert_eq!(
        (ticks_of(""), ticks_of("7 (a) S 1"), ticks_of("7 (a) S 1 2 3 4 5 6 7 8 9 10 x 12")),
        (None, None, None)
    );
    #[cfg(target_os = "linux")]
    assert!(ticks_of(&std::fs::read_to_string("/proc/self/stat").unwrap()).is_some());
}
