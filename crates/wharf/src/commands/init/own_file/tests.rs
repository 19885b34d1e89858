//! The files that are written whole, as their programs read them.

use std::path::PathBuf;
use std::process::Command;

use super::*;

const FILES: [Editor; 3] = [Editor::Neovim, Editor::Emacs, Editor::Toad];

fn launch(command: &str) -> Launch {
    Launch { command: command.to_owned(), binary: PathBuf::from(command) }
}

#[test]
fn odd_paths_stay_strings() {
    for odd in ["/a b/wharf", "/quo\"te/wharf", "/back\\slash/wharf", "/single'quote/wharf", "/new\nline/wharf"] {
        let lua = text(Editor::Neovim, &launch(odd));
        assert!(lua.contains(&format!("command = {}, args", quoted(odd))), "{lua}");
        assert_eq!(lua.matches('\n').count(), text(Editor::Neovim, &launch("wharf")).matches('\n').count(), "{lua}");
    }
    assert_eq!(quoted("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
}

#[test]
fn the_path_is_named_where_the_name_is_not_enough() {
    assert!(text(Editor::Toad, &launch("/opt/my wharf/wharf")).contains("PATH='/opt/my wharf':$PATH\n"));
    assert!(!text(Editor::Toad, &launch("wharf")).contains("PATH="));
    for editor in FILES {
        assert!(!text(editor, &launch("wharf")).is_empty());
        assert!(!next_steps(editor, "~/x").is_empty());
    }
}

#[test]
fn neovims_plugins_are_not_trusted_with_files() {
    assert_eq!(text(Editor::Neovim, &launch("wharf")).matches("\"--server-files\"").count(), 2);
    assert!(!text(Editor::Emacs, &launch("wharf")).contains("--server-files"));
}

/// The languages' own parsers, where they are installed.
#[test]
fn the_files_are_programs() {
    let dir = tempfile::tempdir().unwrap();
    let checks: [(Editor, &[&str]); 3] = [
        (Editor::Neovim, &["luac5.1", "-p"]),
        (Editor::Emacs, &["emacs", "--batch", "-f", "batch-byte-compile"]),
        (Editor::Toad, &["sh", "-n"]),
    ];
    for (editor, checker) in checks {
        for path in ["wharf", "/opt/it's \"mine\"/wharf"] {
            let file = dir.path().join("file.el");
            std::fs::write(&file, text(editor, &launch(path))).unwrap();
            match Command::new(checker[0]).args(&checker[1..]).arg(&file).output() {
                Ok(output) => {
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    assert!(output.status.success() && !said.contains("Warning"), "{editor:?}: {said}");
                }
                Err(_) => eprintln!("{} is not here: its file was not checked", checker[0]),
            }
        }
    }
}

/// A plugin that takes what the file gives it: stands in for codecompanion.nvim.
#[test]
fn the_module_gives_plugins_their_agent() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(format!("{LUA_MODULE}.lua")), text(Editor::Neovim, &launch("/opt/wharf"))).unwrap();
    let script = format!(
        r#"package.path = "{}/?.lua"
        package.loaded["codecompanion.adapters"] = {{ extend = function(name, own) return own end }}
        local wharf = require("{LUA_MODULE}")
        local adapter = wharf.codecompanion()
        print(adapter.name, table.concat(adapter.commands.default, " "))
        print(wharf.avante.command, table.concat(wharf.avante.args, " "))"#,
        dir.path().display()
    );
    match Command::new("lua5.1").args(["-e", &script]).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(
                said,
                "wharf\t/opt/wharf acp --start-server --server-files\n/opt/wharf\tacp --start-server --server-files\n"
            );
        }
        Err(_) => eprintln!("lua5.1 is not here: the module was not run"),
    }
}
