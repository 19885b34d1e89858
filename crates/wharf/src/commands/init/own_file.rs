//! Files that are all ours, for editors whose settings are code: the user loads them with a line of their own.

use super::launch::{ARGUMENTS, Launch, shell_word};
use crate::cli::Editor;

/// Neovim's plugins read files from disk and write into buffers, where unsaved lines are overwritten.
const SERVER_FILES: &str = "--server-files";

/// What `require` takes in Neovim.
pub const LUA_MODULE: &str = "wharf_acp";

/// Whether the file is started, and not read.
pub fn is_program(editor: Editor) -> bool {
    editor == Editor::Toad
}

/// The whole file; empty for an editor whose settings are edited instead.
pub fn text(editor: Editor, launch: &Launch) -> String {
    match editor {
        Editor::Zed | Editor::JetBrains => String::new(),
        Editor::Neovim => lua(launch),
        Editor::Emacs => elisp(launch),
        Editor::Toad => script(launch),
    }
}

fn lua(launch: &Launch) -> String {
    let command = quoted(&launch.command);
    let arguments: Vec<String> = ARGUMENTS.into_iter().chain([SERVER_FILES]).map(quoted).collect();
    let arguments = arguments.join(", ");
    format!(
        r#"-- Wharf for Neovim plugins that speak the Agent Client Protocol. Written by `wharf init neovim`, which keeps it up to date;
-- what you add here stands in the way of that.
local M = {{}}

-- Plugins read files from disk and write into buffers: what you have not saved would be lost. So files are read and written on disk.
M.command = {{ {command}, {arguments} }}

-- codecompanion.nvim: adapters = {{ acp = {{ wharf = require("{LUA_MODULE}").codecompanion }} }}
function M.codecompanion()
  -- OpenCode's adapter is one that asks for no key; all that is its own is replaced.
  return require("codecompanion.adapters").extend("opencode", {{
    name = "wharf",
    formatted_name = "Wharf",
    commands = {{ default = M.command }},
  }})
end

-- avante.nvim: provider = "wharf", acp_providers = {{ wharf = require("{LUA_MODULE}").avante }}
M.avante = {{ command = {command}, args = {{ {arguments} }} }}

return M
"#
    )
}

fn elisp(launch: &Launch) -> String {
    let command = quoted(&launch.command);
    let arguments = ARGUMENTS.map(quoted).join(" ");
    format!(
        r#";;; wharf-acp.el --- Wharf in agent-shell  -*- lexical-binding: t; -*-

;;; Commentary:

;; Written by `wharf init emacs', which keeps it up to date; what you add here stands in the way of that.

;;; Code:

(declare-function acp-make-client "acp")
(declare-function agent-shell-make-agent-config "agent-shell")
(declare-function agent-shell-start "agent-shell")
(defvar agent-shell-agent-configs)

(defvar wharf-acp-command '({command} {arguments})
  "The program that speaks the Agent Client Protocol, and its arguments.")

(defun wharf-acp-agent-config ()
  "Wharf, as agent-shell knows agents."
  (agent-shell-make-agent-config
   :identifier 'wharf
   :mode-line-name "Wharf"
   :buffer-name "Wharf"
   :shell-prompt "Wharf> "
   :shell-prompt-regexp "Wharf> "
   :client-maker (lambda (buffer)
                   (acp-make-client :command (car wharf-acp-command)
                                    :command-params (cdr wharf-acp-command)
                                    :context-buffer buffer))))

;;;###autoload
(defun wharf-acp-shell ()
  "Talk to Wharf."
  (interactive)
  (require 'agent-shell)
  (agent-shell-start :config (wharf-acp-agent-config)))

(with-eval-after-load 'agent-shell
  (add-to-list 'agent-shell-agent-configs (wharf-acp-agent-config) t))

(provide 'wharf-acp)
;;; wharf-acp.el ends here
"#
    )
}

/// Toad has its agents built in and takes others as a command, which it also makes a file's name of: a path would not do there.
fn script(launch: &Launch) -> String {
    let search = match launch.binary.parent() {
        Some(dir) if launch.command.contains('/') => format!("PATH={}:$PATH\n", shell_word(&dir.to_string_lossy())),
        _ => String::new(),
    };
    let command = shell_word(&format!("wharf {}", ARGUMENTS.join(" ")));
    format!(
        r#"#!/bin/sh
# Toad with Wharf: toad-wharf [DIRECTORY]
# Written by `wharf init toad`, which keeps it up to date.
{search}directory=${{1:-.}}
exec toad acp {command} "$directory" --project-dir "$directory" --title Wharf
"#
    )
}

/// A string of Lua and of Emacs Lisp, which agree on these escapes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// What is left for the user to do.
pub fn next_steps(editor: Editor, file: &str) -> String {
    match editor {
        Editor::Zed => "In Zed: open the agent panel and choose Wharf in the menu of its + button.".to_owned(),
        Editor::JetBrains => {
            "In the IDE (2025.3 or later): open AI Chat and choose Wharf in its list of agents.".to_owned()
        }
        Editor::Neovim => format!(
            r#"Add to your own configuration, where the plugin is set up:
  codecompanion.nvim:  adapters = {{ acp = {{ wharf = require("{LUA_MODULE}").codecompanion }} }},
  avante.nvim:         provider = "wharf", acp_providers = {{ wharf = require("{LUA_MODULE}").avante }},
then, with codecompanion.nvim: :CodeCompanionChat wharf"#
        ),
        Editor::Emacs => format!(
            "Add to your own configuration (agent-shell has to be installed):\n  (load {})\nthen: M-x wharf-acp-shell",
            quoted(file)
        ),
        Editor::Toad => format!("Start Toad with {file} [DIRECTORY], or toad-wharf where that is on your PATH."),
    }
}

#[cfg(test)]
mod tests;
