//! A file system that lets nobody write any more.

use std::fs;

use crate::Lab;
use crate::place::{Mounts, Place, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_system_that_becomes_read_only_takes_nothing_and_keeps_everything() {
    let Some((mut place, device)) = Place::on_loop(32) else {
        // The same ways through the program are taken where it is full, and where it is read-only from the start.
        println!("no file system on a file can be mounted here: one that becomes read-only in use is not tried");
        return;
    };
    let mut lab = Lab::open(&place).await;
    let session = lab.session().await;
    for id in ["one", "two"] {
        lab.turn(&session, id).await;
    }
    let name = device.rsplit('/').next().unwrap();
    fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").unwrap();
    lab.prompt(&session, "three").await.assert_unavailable();
    lab.post("/api/v1/sessions", &serde_json::json!({})).await.assert_unavailable();
    let reason = lab.unready().await.unwrap();
    assert!(reason.contains("read-only"), "{reason}\n{}", lab.server.output());
    for what in ["", "/messages", "/events?after=0"] {
        let told = lab.get(&format!("/api/v1/sessions/{session}{what}")).await;
        assert!(told.is_ok(), "reads go on: {what} {told:?}");
    }
    // After such an error it has to be mounted anew.
    lab.server.kill();
    place.unmount();
    run("fsck.ext4", &["-y", &device]);
    place.mount_again(&device);
    let mut lab = lab.restart().await;
    assert_eq!(lab.turns(&session).await.len(), 2);
    lab.turn(&session, "three").await;
    lab.server.kill();
    drop(lab);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_on_a_read_only_file_system_says_so() {
    if !matches!(Mounts::for_test("read_only::a_server_on_a_read_only_file_system_says_so"), Mounts::Allowed) {
        println!("no file system can be mounted here, or it was in another process");
        return;
    }
    let place = Place::small(8);
    let mut lab = Lab::open(&place).await;
    let session = lab.session().await;
    lab.turn(&session, "one").await;
    lab.server.kill();
    assert!(run("mount", &["-o", "remount,ro", place.state().to_str().unwrap()]));
    let (code, _, told) = place.run(&["serve", "--port", "0"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.to_lowercase().contains("read-only"), "{told}");
    assert!(run("mount", &["-o", "remount,rw", place.state().to_str().unwrap()]));
    let lab = lab.restart().await;
    lab.ended(&session, "one").await;
}
