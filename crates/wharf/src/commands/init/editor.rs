//! Where each editor keeps its files, and how one sees that it is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::launch::found;
use super::own_file;
use crate::cli::Editor;
use crate::failure::{Exit, Failure};

pub const ALL: [Editor; 5] = [Editor::Zed, Editor::JetBrains, Editor::Neovim, Editor::Emacs, Editor::Toad];

/// The editor as it is called on the command line.
pub fn word(editor: Editor) -> String {
    editor.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The user's directories.
pub struct Home<'a> {
    environment: &'a BTreeMap<String, String>,
    path: PathBuf,
}

impl<'a> Home<'a> {
    pub fn new(environment: &'a BTreeMap<String, String>) -> anyhow::Result<Self> {
        match absolute(environment, "HOME") {
            Some(path) => Ok(Self { environment, path }),
            None => Err(Failure::new(Exit::Usage, "there is no home directory where editors keep their settings")
                .hint("set HOME")
                .into()),
        }
    }

    /// `$XDG_CONFIG_HOME`; a relative one counts for nothing, as its specification has it.
    fn config(&self) -> PathBuf {
        absolute(self.environment, "XDG_CONFIG_HOME").unwrap_or_else(|| self.path.join(".config"))
    }

    /// Zed's own rule: `~/.config/zed` on macOS whatever the variables say, and in a Flatpak its own directory.
    fn zed(&self) -> PathBuf {
        if cfg!(target_os = "macos") {
            return self.path.join(".config/zed");
        }
        let usual = absolute(self.environment, "FLATPAK_XDG_CONFIG_HOME").unwrap_or_else(|| self.config()).join("zed");
        let flatpak = self.path.join(".var/app/dev.zed.Zed/config/zed");
        if !usual.exists() && flatpak.exists() { flatpak } else { usual }
    }

    fn neovim(&self) -> PathBuf {
        let name = self.environment.get("NVIM_APPNAME").filter(|name| !name.is_empty());
        self.config().join(name.map_or("nvim", String::as_str))
    }

    /// Emacs's own rule: the new place only where there is nothing at the old one.
    fn emacs(&self) -> PathBuf {
        let (old, new) = (self.path.join(".emacs.d"), self.config().join("emacs"));
        let has_old = old.exists() || self.path.join(".emacs").exists();
        if !has_old && new.exists() { new } else { old }
    }

    /// The file that is written or changed.
    pub fn file(&self, editor: Editor) -> PathBuf {
        match editor {
            Editor::Zed => self.zed().join("settings.json"),
            Editor::JetBrains => self.path.join(".jetbrains/acp.json"),
            Editor::Neovim => self.neovim().join("lua").join(format!("{}.lua", own_file::LUA_MODULE)),
            Editor::Emacs => self.emacs().join("wharf-acp.el"),
            Editor::Toad => self.path.join(".local/bin/toad-wharf"),
        }
    }

    /// Whether the editor has left something here, or can be started.
    pub fn has(&self, editor: Editor) -> bool {
        let search = self.environment.get("PATH").map_or("", String::as_str);
        let (programs, places): (&[&str], Vec<PathBuf>) = match editor {
            Editor::Zed => (&["zed", "zeditor", "zedit"], vec![self.zed()]),
            Editor::JetBrains => (
                &["idea", "pycharm", "webstorm", "goland", "clion", "rustrover", "rider", "phpstorm", "rubymine"],
                vec![
                    self.path.join(".jetbrains"),
                    self.config().join("JetBrains"),
                    self.path.join("Library/Application Support/JetBrains"),
                ],
            ),
            Editor::Neovim => (&["nvim"], vec![self.neovim()]),
            Editor::Emacs => (&["emacs", "emacsclient"], vec![self.emacs(), self.path.join(".emacs")]),
            Editor::Toad => (&["toad"], vec![self.config().join("toad")]),
        };
        programs.iter().any(|name| found(name, search).is_some()) || places.iter().any(|place| place.exists())
    }

    /// A path as people write it.
    pub fn short(&self, path: &Path) -> String {
        match path.strip_prefix(&self.path) {
            Ok(rest) => format!("~/{}", rest.display()),
            Err(_) => path.display().to_string(),
        }
    }
}

fn absolute(environment: &BTreeMap<String, String>, name: &str) -> Option<PathBuf> {
    environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(editor: Editor, variables: &[(&str, &str)], home: &Path) -> PathBuf {
        let mut environment: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        environment.insert("HOME".to_owned(), home.to_str().unwrap().to_owned());
        Home::new(&environment).unwrap().file(editor)
    }

    #[test]
    fn variables_move_the_files() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let xdg = [("XDG_CONFIG_HOME", "/xdg")];
        assert_eq!(place(Editor::Zed, &[], home), home.join(".config/zed/settings.json"));
        if !cfg!(target_os = "macos") {
            assert_eq!(place(Editor::Zed, &xdg, home), Path::new("/xdg/zed/settings.json"));
            let flatpak = [("XDG_CONFIG_HOME", "/xdg"), ("FLATPAK_XDG_CONFIG_HOME", "/flat")];
            assert_eq!(place(Editor::Zed, &flatpak, home), Path::new("/flat/zed/settings.json"));
        }
        let relative = [("XDG_CONFIG_HOME", "here")];
        assert_eq!(place(Editor::Neovim, &relative, home), home.join(".config/nvim/lua/wharf_acp.lua"));
        let named = [("XDG_CONFIG_HOME", "/xdg"), ("NVIM_APPNAME", "lazy")];
        assert_eq!(place(Editor::Neovim, &named, home), Path::new("/xdg/lazy/lua/wharf_acp.lua"));
        assert_eq!(place(Editor::JetBrains, &xdg, home), home.join(".jetbrains/acp.json"));
        assert_eq!(place(Editor::Toad, &xdg, home), home.join(".local/bin/toad-wharf"));
    }

    #[test]
    fn emacs_keeps_to_the_old_place_where_there_is_one() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        assert_eq!(place(Editor::Emacs, &[], home), home.join(".emacs.d/wharf-acp.el"));
        std::fs::create_dir_all(home.join(".config/emacs")).unwrap();
        assert_eq!(place(Editor::Emacs, &[], home), home.join(".config/emacs/wharf-acp.el"));
        std::fs::write(home.join(".emacs"), "").unwrap();
        assert_eq!(place(Editor::Emacs, &[], home), home.join(".emacs.d/wharf-acp.el"));
    }
}
