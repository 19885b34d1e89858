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
    /// How it shows a file that it has not open.
    shows: Option<fn(&[u8]) -> String>,
    /// It saves what it is given, like this.
    saves: Option<fn(&str) -> Vec<u8>>,
    /// It shows what is on disk, whatever its buffers hold.
    is_blind: bool,
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
        let shows = state.shows.unwrap_or(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let buffer = state.buffers.get(path).filter(|_| !state.is_blind).cloned();
        let text = buffer.map_or_else(|| std::fs::read(path).map(|bytes| shows(&bytes)), Ok);
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
        match state.saves {
            Some(saves) => std::fs::write(path, saves(text)).unwrap(),
            None => drop(state.buffers.insert(path.to_owned(), text.to_owned())),
        }
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
        .write("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x08\x08\x06\0\0\0")
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

fn normalised(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}').replace("\r\n", "\n")
}

/// Lines, joined by line ends.
fn as_lines(bytes: &[u8]) -> String {
    normalised(bytes).lines().collect::<Vec<_>>().join("\n")
}

/// How an editor shows files, and how it saves what it is given.
type Way = (&'static str, fn(&[u8]) -> String, fn(&str) -> Vec<u8>);

const WAYS: [Way; 5] = [
    ("as it is", |bytes| String::from_utf8_lossy(bytes).into_owned(), |text| text.as_bytes().to_vec()),
    ("normalised there and back", normalised, |text| text.as_bytes().to_vec()),
    ("normalised, saved with a last line end", normalised, |text| format!("{}\n", text.trim_end()).into_bytes()),
    ("lines", as_lines, |text| text.as_bytes().to_vec()),
    ("lines, saved as lines", as_lines, |text| format!("{text}\n").into_bytes()),
];

#[tokio::test]
async fn an_editors_own_way_costs_a_file_nothing() {
    let files: [(&str, &[u8], &[u8]); 8] = [
        ("plain", b"one\ntwo\n", b"1\ntwo\n"),
        ("crlf", b"one\r\ntwo\r\n", b"1\r\ntwo\r\n"),
        ("mixed", b"one\r\ntwo\nthree\r\n", b"1\r\ntwo\nthree\r\n"),
        ("a mark", b"\xef\xbb\xbfone\ntwo\n", b"\xef\xbb\xbf1\ntwo\n"),
        ("a mark and crlf", b"\xef\xbb\xbfone\r\ntwo\r\n", b"\xef\xbb\xbf1\r\ntwo\r\n"),
        ("no last line end", b"one\ntwo", b"1\ntwo"),
        ("no last line end, crlf", b"one\r\ntwo", b"1\r\ntwo"),
        ("one line", b"one", b"1"),
    ];
    let patch = "*** Begin Patch\n*** Update File: a.txt\n-one\n+1\n*** End Patch";
    for (way, shows, saves) in WAYS {
        for (what, old, new) in files {
            for (tool, arguments) in [
                ("edit_file", json!({ "path": "a.txt", "old_string": "one", "new_string": "1" })),
                ("apply_patch", json!({ "patch": patch })),
            ] {
                let mut bench = Bench::new();
                bench.write("a.txt", old);
                let editor = Editor::whole(&mut bench);
                editor.state().shows = Some(shows);
                editor.state().saves = Some(saves);
                let told = bench.tell(tool, arguments).await;
                assert!(!told.starts_with("error"), "{way}, {what}, {tool}: {told}");
                let now = std::fs::read(bench.path("a.txt")).unwrap();
                assert_eq!(now, new, "{way}, {what}, {tool}: {:?}", String::from_utf8_lossy(&now));
                assert!(!told.contains("not saved"), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_utf8_is_not_shown_to_an_editor() {
    let mut bench = Bench::new();
    bench.write("latin.txt", b"gr\xfcn\nold\n").write("late.txt", [&[b'x'; 20_000][..], b"\xff\n"].concat());
    let editor = Editor::whole(&mut bench);
    for path in ["latin.txt", "late.txt"] {
        let was = std::fs::read(bench.path(path)).unwrap();
        let edit = json!({ "path": path, "old_string": "x", "new_string": "new" });
        let told = bench.tell("edit_file", edit).await;
        assert!(told.contains("is not UTF-8"), "{told}");
        assert!(bench.tell("read_file", json!({ "path": path })).await.starts_with("     1\t"));
        assert_eq!(std::fs::read(bench.path(path)).unwrap(), was);
    }
    assert_eq!(editor.log(), Vec::<String>::new());
}

#[tokio::test]
async fn what_an_editor_saves_and_was_not_meant_is_an_error_with_both() {
    let edit = json!({ "path": "a.txt", "old_string": "one", "new_string": "1  2" });
    let saves: [fn(&str) -> Vec<u8>; 3] = [
        // It formats, it cuts off, it writes another encoding.
        |text| text.replace("  ", " ").into_bytes(),
        |text| text.as_bytes()[..text.len() / 2].to_vec(),
        |text| [text.as_bytes(), b"\xe9\n"].concat(),
    ];
    for saves in saves {
        let mut bench = Bench::new();
        bench.write("a.txt", "one\ntwo\n");
        Editor::whole(&mut bench).state().saves = Some(saves);
        let told = bench.tell("edit_file", edit.clone()).await;
        assert!(
            told.contains("something else than was meant")
                && (told.contains("\n-1  2") || told.contains("\n+\u{fffd}")),
            "{told}"
        );
    }
}

#[tokio::test]
async fn an_editor_that_shows_the_disk_and_writes_its_buffer_is_found_out() {
    let mut bench = Bench::new();
    bench.write("a.txt", "one\n");
    let editor = Editor::whole(&mut bench);
    editor.state().is_blind = true;
    let edit = json!({ "path": "a.txt", "old_string": "one", "new_string": "1" });
    let told = bench.tell("edit_file", edit).await;
    assert!(told.contains("the editor took the change, but shows something else"), "{told}");
    assert!(told.contains("-1\n+one\n"), "{told}");
}

#[tokio::test]
async fn what_is_typed_stays_beside_what_the_file_has() {
    let mut bench = Bench::new();
    bench.write("a.txt", "\u{feff}one\r\ntwo\r\n");
    let editor = Editor::whole(&mut bench);
    editor.has(&bench, "a.txt", "one\ntyped\ntwo\n");
    let edit = json!({ "path": "a.txt", "old_string": "one", "new_string": "1" });
    let told = bench.tell("edit_file", edit).await;
    assert!(told.contains("has not saved it"), "{told}");
    assert_eq!(editor.text(&bench, "a.txt").as_deref(), Some("1\ntyped\ntwo\n"), "as it shows it");
    // It saves now, in its own way.
    editor.state().saves = Some(|text| text.as_bytes().to_vec());
    let edit = json!({ "path": "a.txt", "old_string": "typed", "new_string": "more" });
    let told = bench.tell("edit_file", edit).await;
    assert!(told.contains("restored on disk"), "{told}");
    assert_eq!(bench.read("a.txt"), "\u{feff}1\r\nmore\r\ntwo\r\n");
}

#[tokio::test]
async fn a_file_that_changes_on_disk_meanwhile_is_not_written_over() {
    let mut bench = Bench::new();
    bench.write("a.txt", "one\n");
    let editor = Editor::whole(&mut bench);
    editor.has(&bench, "a.txt", "one\n");
    let path = bench.workspace.root().join("a.txt");
    let (context, _receiver, _cancel) = bench.context();
    let buffer = Buffer::open(&context, "a.txt", Want::Change).await.unwrap().unwrap();
    std::fs::write(path, "by a command\n").unwrap();
    let told = buffer.check(&context.workspace, &context.cancel).await.unwrap_err().to_string();
    assert!(told.contains("changed by somebody else"), "{told}");
}
