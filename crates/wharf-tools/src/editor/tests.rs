//! The file tools with an editor beside them: what it has not saved counts, and it alone writes what it has open.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use serde_json::{Value, json};
use wharf_protocol::CallId;

use super::*;
use crate::question::{Question, Reply};
use crate::testing::Bench;
use crate::{Clients, Terminal, TerminalCommand};

/// An editor whose buffers a test sets.
struct Editor {
    offers: Offers,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    buffers: HashMap<PathBuf, String>,
    /// Beside the paths that were asked for.
    log: Vec<String>,
    /// How the next requests of that kind end, instead of well.
    failures: HashMap<&'static str, HostError>,
    /// The user types this once, after the first read.
    typed: Option<(PathBuf, String)>,
    /// Writes after so many fail.
    writes_left: Option<usize>,
}

impl Editor {
    fn new(bench: &mut Bench, offers: Offers) -> Arc<Self> {
        let editor = Arc::new(Self { offers, state: Mutex::default() });
        let host: Arc<dyn ClientHost> = Arc::<Self>::clone(&editor);
        bench.clients = Clients::new(vec![host]);
        editor
    }

    fn whole(bench: &mut Bench) -> Arc<Self> {
        Self::new(bench, Offers { read_text: true, write_text: true, ..Offers::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn has(&self, bench: &Bench, name: &str, text: &str) {
        self.state().buffers.insert(bench.workspace.root().join(name), text.to_owned());
    }

    fn text(&self, bench: &Bench, name: &str) -> Option<String> {
        self.state().buffers.get(&bench.workspace.root().join(name)).cloned()
    }

    fn fail(&self, kind: &'static str, error: HostError) {
        self.state().failures.insert(kind, error);
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }
}

#[async_trait]
impl ClientHost for Editor {
    fn offers(&self) -> Offers {
        self.offers
    }

    async fn read_text(&self, path: &Path) -> Result<String, HostError> {
        let mut state = self.state();
        state.log.push(format!("read {}", path.file_name().unwrap().display()));
        if let Some(error) = state.failures.get("read") {
            return Err(error.clone());
        }
        let text = state.buffers.get(path).cloned().map_or_else(|| std::fs::read_to_string(path), Ok);
        if let Some((path, text)) = state.typed.take() {
            state.buffers.insert(path, text);
        }
        text.map_err(|error| HostError::Refused(error.to_string()))
    }

    async fn write_text(&self, path: &Path, text: &str) -> Result<(), HostError> {
        let mut state = self.state();
        state.log.push(format!("write {}", path.file_name().unwrap().display()));
        if let Some(left) = &mut state.writes_left {
            if *left == 0 {
                state.writes_left = None;
                return Err(HostError::Refused("no".to_owned()));
            }
            *left -= 1;
        }
        if let Some(error) = state.failures.get("write") {
            return Err(error.clone());
        }
        state.buffers.insert(path.to_owned(), text.to_owned());
        Ok(())
    }

    async fn open_terminal(&self, _: &CallId, _: TerminalCommand) -> Result<Box<dyn Terminal>, HostError> {
        Err(HostError::Refused("none".to_owned()))
    }

    async fn ask(&self, _: &CallId, _: &Question, _: Duration) -> Result<Reply, HostError> {
        Err(HostError::Gone)
    }

    async fn discover(&self) -> Result<Value, HostError> {
        Err(HostError::Gone)
    }

    async fn call(&self, _: &CallId, _: &str, _: Value) -> Result<Value, HostError> {
        Err(HostError::Gone)
    }
}

#[tokio::test]
async fn what_is_not_saved_is_read_edited_and_written_in_the_editor() {
    let mut bench = Bench::new();
    bench.write("a.txt", "old\n");
    let editor = Editor::whole(&mut bench);
    editor.has(&bench, "a.txt", "typed\nnot saved\n");
    assert_eq!(bench.tell("read_file", json!({ "path": "a.txt" })).await, "     1\ttyped\n     2\tnot saved\n");
    let edit = json!({ "path": "a.txt", "old_string": "not saved", "new_string": "changed" });
    let output = bench.call("edit_file", edit).await.unwrap();
    assert_eq!(editor.text(&bench, "a.txt").as_deref(), Some("typed\nchanged\n"));
    assert_eq!(output.diffs[0].old_text.as_deref(), Some("typed\nnot saved\n"));
    // The editor decides when it saves.
    assert_eq!(bench.read("a.txt"), "old\n");
    let written = bench.tell("write_file", json!({ "path": "a.txt", "content": "whole\n" })).await;
    assert!(written.starts_with("replaced a.txt"), "{written}");
    assert_eq!(editor.text(&bench, "a.txt").as_deref(), Some("whole\n"));
    let made = bench.tell("write_file", json!({ "path": "new/b.txt", "content": "b" })).await;
    assert!(made.starts_with("created new/b.txt"), "{made}");
    assert_eq!(editor.text(&bench, "new/b.txt").as_deref(), Some("b"));
    assert!(bench.path("new").is_dir(), "not every editor makes directories");
    assert_eq!(bench.names(), ["a.txt", "new"]);
}

#[tokio::test]
async fn line_ends_stay_what_they_were_in_the_editor() {
    let mut bench = Bench::new();
    bench.write("a.txt", "one\r\ntwo\r\n");
    let editor = Editor::whole(&mut bench);
    let edit = json!({ "path": "a.txt", "old_string": "two", "new_string": "2\n3" });
    bench.call("edit_file", edit).await.unwrap();
    assert_eq!(editor.text(&bench, "a.txt").as_deref(), Some("one\r\n2\r\n3\r\n"));
}

#[tokio::test]
async fn what_the_user_types_meanwhile_is_not_taken_away() {
    let mut bench = Bench::new();
    bench.write("a.txt", "one\n");
    let editor = Editor::whole(&mut bench);
    let path = bench.workspace.root().join("a.txt");
    for (tool, arguments) in [
        ("edit_file", json!({ "path": "a.txt", "old_string": "one", "new_string": "1" })),
        ("write_file", json!({ "path": "a.txt", "content": "1" })),
        ("apply_patch", json!({ "patch": "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+1\n" })),
    ] {
        editor.state().buffers.remove(&path);
        editor.state().typed = Some((path.clone(), "one, typed\n".to_owned()));
        let told = bench.tell(tool, arguments).await;
        assert!(told.contains("changed by somebody else"), "{tool}: {told}");
        assert_eq!(editor.text(&bench, "a.txt").as_deref(), Some("one, typed\n"), "{tool}");
        assert!(editor.log().iter().all(|line| !line.starts_with("write")), "{tool}");
    }
    assert_eq!(bench.read("a.txt"), "one\n");
}

#[tokio::test]
async fn no_client_is_asked_about_what_the_workspace_refuses() {
    let mut bench = Bench::new();
    bench.write(".git/config", "x\n").write("a.txt", "x\n");
    std::os::unix::fs::symlink("/etc/passwd", bench.path("out")).unwrap();
    let editor = Editor::whole(&mut bench);
    for path in ["/etc/passwd", "../x", "out", "~/x"] {
        assert!(bench.tell("read_file", json!({ "path": path })).await.contains("outside the workspace"), "{path}");
        let write = json!({ "path": path, "content": "x" });
        assert!(bench.tell("write_file", write).await.starts_with("error"), "{path}");
    }
    let protected = json!({ "path": ".git/config", "old_string": "x", "new_string": "y" });
    assert!(bench.tell("edit_file", protected).await.contains("protected"));
    assert!(bench.tell("write_file", json!({ "path": ".bashrc", "content": "x" })).await.contains("protected"));
    assert_eq!(editor.log(), Vec::<String>::new());
}

#[tokio::test]
async fn what_an_editor_does_not_show_as_text_is_handled_on_disk() {
    let mut bench = Bench::new();
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain("hi\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    bench
        .write("a.png", b"\x89PNG\r\n\x1a\n....")
        .write("b.txt", utf16)
        .write("c.txt", vec![b'x'; BUFFER_MAX_BYTES + 1]);
    let editor = Editor::whole(&mut bench);
    assert!(bench.tell("read_file", json!({ "path": "a.png" })).await.contains("PNG image"));
    let edit = json!({ "path": "b.txt", "old_string": "hi", "new_string": "ho" });
    assert!(bench.tell("edit_file", edit).await.starts_with("edited"));
    assert!(bench.tell("read_file", json!({ "path": "c.txt" })).await.contains("line cut"));
    assert_eq!(editor.log(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refusal_is_told_and_a_lost_editor_is_done_without() {
    let mut bench = Bench::new();
    bench.write("a.txt", "one\n");
    let editor = Editor::whole(&mut bench);
    let read = json!({ "path": "a.txt" });
    let edit = json!({ "path": "a.txt", "old_string": "one", "new_string": "1" });
    editor.fail("read", HostError::Refused("busy".to_owned()));
    assert!(bench.tell("read_file", read.clone()).await.contains("the editor could not read it: busy"));
    assert!(bench.tell("edit_file", edit.clone()).await.contains("the editor could not read it: busy"));
    // A file that neither the editor nor the disk has.
    assert!(bench.tell("read_file", json!({ "path": "b.txt" })).await.contains("b.txt: not found"));
    // Nobody knows what the user has typed: nothing is changed. To read the disk is safe.
    editor.fail("read", HostError::Silent { after_ms: 5 });
    assert_eq!(bench.tell("read_file", read.clone()).await, "     1\tone\n");
    let told = bench.tell("edit_file", edit.clone()).await;
    assert!(told.contains("did not answer within 5 ms. Nothing was changed"), "{told}");
    assert_eq!(bench.read("a.txt"), "one\n");
    editor.fail("read", HostError::Gone);
    assert_eq!(bench.tell("read_file", read).await, "     1\tone\n");
    assert!(bench.tell("edit_file", edit.clone()).await.starts_with("edited"));
    assert_eq!(bench.read("a.txt"), "1\n");
    // Lost while it writes: it may or may not have done it, and nothing is written behind its back.
    editor.state().failures.clear();
    editor.fail("write", HostError::Gone);
    let edit = json!({ "path": "a.txt", "old_string": "1", "new_string": "2" });
    let told = bench.tell("edit_file", edit).await;
    assert!(told.contains("Whether it has the change is not known"), "{told}");
    assert_eq!(bench.read("a.txt"), "1\n");
}

#[tokio::test]
async fn an_editor_that_only_shows_keeps_what_it_has_not_saved() {
    let mut bench = Bench::new();
    bench.write("a.txt", "one\n");
    let editor = Editor::new(&mut bench, Offers { read_text: true, ..Offers::default() });
    let edit = json!({ "path": "a.txt", "old_string": "one", "new_string": "1" });
    editor.has(&bench, "a.txt", "one, typed\n");
    assert!(bench.tell("edit_file", edit.clone()).await.contains("Ask the user to save the file"));
    assert_eq!(bench.read("a.txt"), "one\n");
    editor.has(&bench, "a.txt", "one\n");
    assert!(bench.tell("edit_file", edit).await.starts_with("edited"));
    assert_eq!(bench.read("a.txt"), "1\n");
}

const PATCH: &str = "*** Begin Patch\n*** Update File: a.txt\n-a\n+A\n*** Add File: n/b.txt\n+b\n*** Delete File: c.txt\n\
                     *** Update File: d.txt\n-d\n+D\n*** End Patch";

fn patched(bench: &mut Bench) -> Arc<Editor> {
    bench.write("a.txt", "a\n").write("c.txt", "c\n").write("d.txt", "d\n");
    let editor = Editor::whole(bench);
    editor.has(bench, "a.txt", "typed\na\n");
    editor
}

#[tokio::test]
async fn a_patch_changes_buffers_and_disk_together() {
    let mut bench = Bench::new();
    let editor = patched(&mut bench);
    let told = bench.tell("apply_patch", json!({ "patch": PATCH })).await;
    assert!(told.starts_with("the patch is applied"), "{told}");
    assert_eq!(editor.text(&bench, "a.txt").as_deref(), Some("typed\nA\n"));
    assert_eq!(editor.text(&bench, "n/b.txt").as_deref(), Some("b\n"));
    assert_eq!(editor.text(&bench, "d.txt").as_deref(), Some("D\n"));
    assert!(!bench.path("c.txt").exists());
}

#[tokio::test]
async fn a_patch_that_fails_in_the_editor_leaves_everything_as_it_was() {
    for writes in 0..3 {
        let mut bench = Bench::new();
        let editor = patched(&mut bench);
        editor.state().writes_left = Some(writes);
        let told = bench.tell("apply_patch", json!({ "patch": PATCH })).await;
        assert!(told.contains("did not take the change: no"), "{told}");
        assert_eq!(editor.text(&bench, "a.txt").as_deref(), Some("typed\na\n"), "{writes}");
        assert!(editor.text(&bench, "d.txt").is_none_or(|text| text == "d\n"), "{writes}");
        assert_eq!(bench.read("c.txt"), "c\n");
        assert!(!bench.names().iter().any(|name| name.contains("wharf-tmp")));
    }
    // What is deleted must be what the user sees.
    let mut bench = Bench::new();
    let editor = patched(&mut bench);
    editor.has(&bench, "c.txt", "c, typed\n");
    let told = bench.tell("apply_patch", json!({ "patch": PATCH })).await;
    assert!(told.contains("c.txt: the editor has changes of it that are not saved"), "{told}");
    assert_eq!(editor.text(&bench, "a.txt").as_deref(), Some("typed\na\n"));
}

#[tokio::test]
async fn a_file_of_a_further_directory_is_the_editors_too() {
    let mut bench = Bench::new();
    let lib = bench.dir.path().canonicalize().unwrap().join("lib");
    std::fs::create_dir(&lib).unwrap();
    std::fs::write(lib.join("a.txt"), "saved\n").unwrap();
    bench.workspace = Workspace::open_with(bench.path(""), std::slice::from_ref(&lib), &[]).unwrap();
    let editor = Editor::whole(&mut bench);
    editor.state().buffers.insert(lib.join("a.txt"), "typed\n".to_owned());
    let path = lib.join("a.txt").to_str().unwrap().to_owned();
    assert_eq!(bench.tell("read_file", json!({ "path": path })).await, "     1\ttyped\n");
    let edit = json!({ "path": path, "old_string": "typed", "new_string": "changed" });
    assert!(bench.tell("edit_file", edit).await.starts_with("edited"));
    assert_eq!(editor.state().buffers[&lib.join("a.txt")], "changed\n");
    let new = lib.join("new/b.txt").to_str().unwrap().to_owned();
    assert!(bench.tell("write_file", json!({ "path": new, "content": "b" })).await.starts_with("created"));
    assert_eq!(editor.state().buffers[&lib.join("new/b.txt")], "b");
    assert!(lib.join("new").is_dir());
}
