//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use toml::Value;
use wharf_protocol::Mode;

use crate::config::{AuthChoice, ClientMode, Flags};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// A coding-agent server: sessions that several clients share, and that survive all of them.
#[derive(Debug, Clone, Parser)]
#[command(name = "wharf", version, styles = STYLES, max_term_width = 100, after_help = "\
Examples:
  wharf ask \"what does this project do?\"     one question, the answer on standard output
  git diff | wharf ask \"review this\"         with text from a pipe
  wharf serve &                              a server that sessions outlive their windows on
  wharf attach                               talk to an agent, alone or with others
  wharf init                                 set up an editor: Zed, JetBrains, Neovim, Emacs, Toad

Without a server, `ask` and `attach` run the agent in their own process, on the same sessions.
Sessions, the key and the server's place are in $WHARF_STATE_DIR, by default ~/.local/state/wharf.
`wharf COMMAND --help` says more about each command.")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Configuration file, in place of ~/.config/wharf/config.toml
    #[arg(long, global = true, value_name = "FILE", env = "WHARF_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Log more to standard error; repeat for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Ask once; the answer goes to standard output
    Ask(AskArgs),
    /// Ask once, in this process
    Run(AskArgs),
    /// Talk to an agent in the terminal
    Attach(AttachArgs),
    /// Serve an editor that speaks the Agent Client Protocol, on standard input and output
    Acp(AcpArgs),
    /// Set up an editor, so that it starts `wharf acp`
    Init(InitArgs),
    /// List, show or delete sessions
    Sessions(SessionsArgs),
    /// List, follow, write to or stop background commands of a session
    Commands(CommandsArgs),
    /// List the models that can be used, and why
    Models(ListArgs),
    /// List the tools that agents have
    Tools(ListArgs),
    /// List the configured MCP servers and their tools, or call one
    #[command(subcommand)]
    Mcp(McpCommand),
    /// List the agents
    Agents(ListArgs),
    /// Show the server of this machine
    Status(StatusArgs),
    /// Stop the server of this machine
    Stop(StopArgs),
    /// Say what is wrong with this installation, and save what is sound of a damaged store
    Doctor(DoctorArgs),
    /// Show the configuration, its file or its schema
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print completions for a shell
    Completions { shell: Shell },
}

#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<IpAddr>,
    /// Port to listen on; 0 for a free one
    #[arg(short, long)]
    pub port: Option<u16>,
    /// Directory for sessions that name none
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    #[command(flatten)]
    pub model: ModelArgs,
    /// Who may connect
    #[arg(long, value_name = "HOW")]
    pub auth: Option<AuthChoice>,
    /// Listen where other machines reach it, without TLS: the key, prompts, answers and files can be read on the way
    #[arg(long)]
    pub insecure: bool,
    /// Write the messages of each ACP connection to a file in this directory, to look for mistakes; with all that is said
    #[arg(long, value_name = "DIR")]
    pub trace: Option<PathBuf>,
    /// Stay in the foreground (the default; put & behind the command for the background)
    #[arg(long)]
    pub foreground: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct ModelArgs {
    /// Model for new sessions: provider/name, or `demo`
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Model server that speaks OpenAI's chat completions
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// Environment variable that holds the model's key
    #[arg(long, value_name = "NAME")]
    pub api_key_env: Option<String>,
    /// What may run without a question: plan, ask, auto-edit, full
    #[arg(long, value_name = "MODE")]
    pub permission: Option<Mode>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct ServerArgs {
    /// Address of a server, in place of the one of this machine
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Where the agent runs
    #[arg(long, value_name = "WHERE")]
    pub mode: Option<ClientMode>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Standard output holds the answer and nothing else; progress, tool calls and questions go to standard error.
Text on standard input is sent along: a file, or a pipe on which something comes within 3 seconds (--stdin waits longer).
Without a terminal nobody can be asked: use --permission auto-edit or full for what has to change something.

Exit codes:
  0 completed   1 failed   2 wrong usage or configuration   3 cancelled
  4 ended, but something was refused because nobody could be asked   5 no server, or no way to it

Examples:
  wharf ask \"explain src/main.rs\"
  cargo test 2>&1 | wharf ask --permission auto-edit \"fix what fails\"
  wharf ask --continue \"and now the other one\"
  wharf ask --json \"list the files\" | jq .type")]
pub struct AskArgs {
    /// What to ask; words are put together
    #[arg(value_name = "PROMPT")]
    pub prompt: Vec<String>,
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    /// Agent for a new session
    #[arg(long)]
    pub agent: Option<String>,
    /// Session to ask in, in place of a new one
    #[arg(short, long, value_name = "ID", conflicts_with = "continue")]
    pub session: Option<String>,
    /// Ask in this directory's latest session
    #[arg(short, long)]
    pub r#continue: bool,
    /// Directory to work in, in place of this one
    #[arg(short = 'C', long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Further directory that the agent reaches; repeat for more
    #[arg(long, value_name = "DIR")]
    pub add_dir: Vec<PathBuf>,
    /// Events as NDJSON on standard output, in place of the answer
    #[arg(long)]
    pub json: bool,
    /// Show how long it took
    #[arg(long)]
    pub perf: bool,
    /// Cancel the turn after so many seconds, in place of client.turn_ms
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Wait for standard input to end, however long it takes
    #[arg(long, conflicts_with = "no_stdin")]
    pub stdin: bool,
    /// Ask nobody: what needs a permission is refused
    #[arg(long)]
    pub unattended: bool,
    /// Leave standard input alone
    #[arg(long)]
    pub no_stdin: bool,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Lines are prompts; while a turn runs they wait for it. Lines that begin with / are commands: /help lists them.
Ctrl-C cancels the running turn, and leaves when pressed twice while nothing runs; Ctrl-D leaves. The turn goes on on the server.
With a file or pipe on standard input, each line is taken in turn, after the one before it has ended.")]
pub struct AttachArgs {
    /// Address of a server, in place of the one of this machine
    #[arg(value_name = "URL")]
    pub url: Option<String>,
    /// Session to attach to, in place of a new one
    #[arg(short, long, value_name = "ID")]
    pub session: Option<String>,
    /// Attach to this directory's latest session
    #[arg(short, long, conflicts_with = "session")]
    pub r#continue: bool,
    #[command(flatten)]
    pub model: ModelArgs,
    /// Agent for a new session
    #[arg(long)]
    pub agent: Option<String>,
    /// Directory to work in, in place of this one
    #[arg(short = 'C', long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Further directory that the agent reaches; repeat for more
    #[arg(long, value_name = "DIR")]
    pub add_dir: Vec<PathBuf>,
    /// Where the agent runs
    #[arg(long, value_name = "WHERE")]
    pub mode: Option<ClientMode>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
Editors start this command by themselves: give them `wharf acp` as the agent's command. Standard output carries the protocol
and nothing else. A connection that is lost is made again; the editor notices nothing, also when the server is restarted.

`wharf` alone does the same where standard input is a pipe.")]
pub struct AcpArgs {
    /// Address of a server, in place of the one of this machine
    #[arg(long, value_name = "URL", conflicts_with_all = ["embedded", "start_server"])]
    pub server: Option<String>,
    /// Start a server where none runs; it outlives the editor
    #[arg(long, conflicts_with = "embedded")]
    pub start_server: bool,
    /// Run the agent in this process, without a server
    #[arg(long)]
    pub embedded: bool,
    /// Read and write files on disk, not through the editor: for editors whose file requests lose line ends or unsaved text
    #[arg(long)]
    pub server_files: bool,
    /// Write every message to this file, to look for mistakes; with all that is said, but without keys
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

/// An editor that speaks the Agent Client Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Editor {
    Zed,
    #[value(name = "jetbrains")]
    JetBrains,
    Neovim,
    Emacs,
    Toad,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Without an editor: which ones are here, and whether they know wharf.

Zed and JetBrains get an entry in their settings; comments, order and everything else stay as they are, and the file as it was
is kept beside it. For Neovim, Emacs and Toad a file of wharf's own is written, and the line to add is shown: code of yours is
never changed. An entry or file that says something else is only replaced with --force.

Examples:
  wharf init
  wharf init zed --print     what would be changed
  wharf init zed")]
pub struct InitArgs {
    /// The editor to set up
    #[arg(value_name = "EDITOR")]
    pub editor: Option<Editor>,
    /// Show what would be changed, and change nothing
    #[arg(long, requires = "editor")]
    pub print: bool,
    /// Replace what is there and says something else
    #[arg(long, requires = "editor")]
    pub force: bool,
}

#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SessionsArgs {
    #[command(subcommand)]
    pub command: Option<SessionsCommand>,
    #[command(flatten)]
    pub list: SessionListArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum SessionsCommand {
    /// List sessions, newest change first
    List(SessionListArgs),
    /// Show one session and what was said in it
    Show {
        id: String,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Take a session up again that was sealed because the server died with it, or because it is damaged
    Unseal {
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Copy a session, with its conversation, as a session of its own
    Fork {
        id: String,
        /// Last event to take over, in place of the last one there is
        #[arg(long, value_name = "SEQ")]
        at: Option<u64>,
        /// Title of the copy
        #[arg(long)]
        title: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Save a session's whole log, to take it elsewhere
    Export {
        id: String,
        /// In place of standard output; never written over
        file: Option<PathBuf>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Make a session of an export; nothing that was unfinished in it runs
    Import {
        /// What `export` saved; `-` for standard input
        file: PathBuf,
        /// Directory to work in, in place of the one that it worked in
        #[arg(short = 'C', long, value_name = "DIR")]
        cwd: Option<PathBuf>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Delete a session and everything in it
    Delete {
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

#[derive(Debug, Clone, Default, Args)]
pub struct SessionListArgs {
    #[command(flatten)]
    pub list: ListArgs,
    /// Words of the title or of a prompt
    #[arg(short, long, value_name = "WORDS")]
    pub query: Option<String>,
    /// Most sessions to list
    #[arg(short, long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
}

#[derive(Debug, Clone, Default, Args)]
pub struct ListArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Background commands belong to a session and run on its server: `bash` with background=true starts them.
Without --session, this directory's latest session is meant.

Examples:
  wharf commands                       what runs, and what has ended
  wharf commands output -f cmd-1f…     follow it to its end
  wharf commands input cmd-1f… yes     type a line into it
  wharf commands stop cmd-1f…")]
pub struct CommandsArgs {
    #[command(subcommand)]
    pub command: Option<CommandsCommand>,
    /// Session, in place of this directory's latest
    #[arg(short, long, value_name = "ID", global = true)]
    pub session: Option<String>,
    /// As JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Address of a server, in place of the one of this machine
    #[arg(long, value_name = "URL", global = true)]
    pub server: Option<String>,
}

#[derive(Debug, Clone, Subcommand)]
pub enum CommandsCommand {
    /// List the commands, newest first
    List,
    /// Print what a command has put out
    Output {
        id: String,
        /// Follow it to its end; exits with 1 where it failed
        #[arg(short, long)]
        follow: bool,
        /// Byte to begin at, in place of the oldest that is kept
        #[arg(long, value_name = "BYTE", default_value_t = 0)]
        offset: u64,
    },
    /// Write a line to a command's input
    Input {
        id: String,
        /// Words are put together; none with --close
        #[arg(value_name = "TEXT")]
        text: Vec<String>,
        /// Leave out the newline
        #[arg(short = 'n', long)]
        no_newline: bool,
        /// Close the input
        #[arg(long)]
        close: bool,
    },
    /// Stop a command, with everything that it has started
    Stop { id: String },
}

#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Address of a server, in place of the one of this machine
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct StopArgs {
    /// Do not wait for running turns: they go on when the server starts again
    #[arg(long)]
    pub now: bool,
}

#[derive(Debug, Clone, Default, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Looks at the configuration, the state directory, the key, the server, the disk, the store (its structure and every event) and the
models. Changes nothing, beside a running server or without one.

Exit codes:
  0 nothing is wrong (there may be warnings)   1 something is, or could not all be exported   2 wrong usage

Examples:
  wharf doctor --json | jq '.findings[] | select(.level != \"ok\")'
  wharf doctor export saved --session session-3f2a"
)]
pub struct DoctorArgs {
    #[command(subcommand)]
    pub command: Option<DoctorCommand>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Leave out what takes long in a large store: the events, and the contents of its indexes
    #[arg(long)]
    pub quick: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub enum DoctorCommand {
    /// Save every event that is sound: a file of JSON lines for each session
    Export(DoctorExportArgs),
}

#[derive(Debug, Clone, Args)]
pub struct DoctorExportArgs {
    /// Directory for the files; made where it is missing. Files that are there are never written over
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Only this session
    #[arg(short, long, value_name = "ID")]
    pub session: Option<String>,
    /// A summary as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub enum McpCommand {
    /// Connect to the servers of the configuration file and show how they are
    List(ListArgs),
    /// Connect to them and show their tools
    Tools(ListArgs),
    /// Call one tool, as you: no permission is asked
    Call {
        /// mcp__SERVER__TOOL, as `wharf mcp tools` shows it
        tool: String,
        /// The arguments, a JSON object
        #[arg(default_value = "{}")]
        arguments: String,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Each effective value and where it comes from
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Where the file is, or would be
    Path,
    /// JSON Schema of the file
    Schema,
    /// Let the server of this machine read it again, as SIGHUP does
    Reload,
}

fn text(value: impl ToString) -> Value {
    Value::String(value.to_string())
}

/// The word that a choice goes by on the command line and in the file alike.
fn word(choice: impl clap::ValueEnum) -> Value {
    text(choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default())
}

impl ModelArgs {
    fn flags(&self) -> Flags {
        let mut flags = Flags::new();
        flags.extend(self.model.as_ref().map(|model| ("model", "--model", text(model))));
        flags.extend(self.base_url.as_ref().map(|url| ("base_url", "--base-url", text(url))));
        flags.extend(self.api_key_env.as_ref().map(|name| ("api_key_env", "--api-key-env", text(name))));
        flags.extend(self.permission.map(|mode| ("permission", "--permission", text(mode))));
        flags
    }
}

impl ServerArgs {
    fn flags(&self) -> Flags {
        let mut flags = Flags::new();
        flags.extend(self.server.as_ref().map(|url| ("client.server", "--server", text(url))));
        flags.extend(self.mode.map(|mode| ("client.mode", "--mode", word(mode))));
        flags
    }
}

impl Command {
    /// What the command's flags set in the configuration.
    pub fn flags(&self) -> Flags {
        match self {
            Self::Serve(args) => {
                let mut flags = args.model.flags();
                flags.extend(args.host.map(|host| ("server.host", "--host", text(host))));
                flags.extend(args.port.map(|port| ("server.port", "--port", Value::Integer(port.into()))));
                flags.extend(args.auth.map(|auth| ("server.auth", "--auth", word(auth))));
                flags.extend(args.insecure.then_some(("server.insecure", "--insecure", Value::Boolean(true))));
                flags.extend(args.work_dir.as_ref().map(|dir| ("work_dir", "--work-dir", text(dir.display()))));
                flags
            }
            Self::Ask(args) => [args.model.flags(), args.server.flags()].concat(),
            Self::Run(args) => {
                let mut flags = args.model.flags();
                flags.push(("client.mode", "run", word(args.server.mode.unwrap_or(ClientMode::Embedded))));
                flags.extend(args.server.server.as_ref().map(|url| ("client.server", "--server", text(url))));
                flags
            }
            Self::Attach(args) => {
                let mut flags = args.model.flags();
                flags.extend(args.url.as_ref().map(|url| ("client.server", "the address", text(url))));
                flags.extend(args.mode.map(|mode| ("client.mode", "--mode", word(mode))));
                flags
            }
            Self::Models(args) | Self::Tools(args) | Self::Agents(args) => args.server.flags(),
            Self::Sessions(args) => match &args.command {
                None => args.list.list.server.flags(),
                Some(SessionsCommand::List(list)) => list.list.server.flags(),
                Some(
                    SessionsCommand::Show { list, .. }
                    | SessionsCommand::Fork { list, .. }
                    | SessionsCommand::Import { list, .. },
                ) => list.server.flags(),
                Some(
                    SessionsCommand::Delete { server, .. }
                    | SessionsCommand::Unseal { server, .. }
                    | SessionsCommand::Export { server, .. },
                ) => server.flags(),
            },
            Self::Commands(args) => args.server.iter().map(|url| ("client.server", "--server", text(url))).collect(),
            Self::Acp(args) => args.server.iter().map(|url| ("client.server", "--server", text(url))).collect(),
            Self::Status(args) => args.server.iter().map(|url| ("client.server", "--server", text(url))).collect(),
            Self::Init(_)
            | Self::Mcp(_)
            | Self::Stop(_)
            | Self::Doctor(_)
            | Self::Config(_)
            | Self::Completions { .. } => Flags::new(),
        }
    }
}
