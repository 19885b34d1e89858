//! The command line.

pub mod spelling;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use toml::Value;
use wharf_protocol::Mode;
use wharf_protocol::model::Protocol;

use crate::config::{AuthChoice, ClientMode, Flags};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// A coding-agent server. Many clients can share a session, and nothing is lost.
#[derive(Debug, Clone, Parser)]
#[command(name = "wharf", version, styles = STYLES, max_term_width = 100, after_help = "\
Examples:
  wharf ask \"what does this project do?\"     ask one question; the answer goes to standard output
  git diff | wharf ask \"review this\"         send text from a pipe along
  wharf serve &                              run a server; sessions survive closing the terminal
  wharf attach                               talk to an agent, alone or with others
  wharf init                                 set up an editor: Zed, JetBrains, Neovim, Emacs, Toad

If no server is running, `ask` and `attach` run the agent in their own process, with the same sessions.
Sessions, the key and the server's address are stored in $WHARF_STATE_DIR (default: ~/.local/state/wharf).
`wharf COMMAND --help` explains each command.")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Configuration file to use instead of ~/.config/wharf/config.toml
    #[arg(long, global = true, value_name = "FILE", env = "WHARF_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Log more to standard error; repeat for more detail
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Run one prompt and print the answer
    Ask(AskArgs),
    /// Run one prompt in this process, without a server
    Run(AskArgs),
    /// Talk to an agent in the terminal
    Attach(AttachArgs),
    /// Serve an editor over standard input and output (Agent Client Protocol)
    Acp(AcpArgs),
    /// Set up an editor to use Wharf
    Init(InitArgs),
    /// List, show, copy, save or delete sessions
    Sessions(SessionsArgs),
    /// List, follow, write to or stop background commands
    Commands(CommandsArgs),
    /// List the available models
    Models(ModelsArgs),
    /// Show what model calls took and cost, by day, model or directory
    Usage(UsageArgs),
    /// List the tools that agents can use
    Tools(ListArgs),
    /// List configured MCP servers and their tools, or call a tool
    #[command(subcommand)]
    Mcp(McpCommand),
    /// List the available agents
    Agents(ListArgs),
    /// Show whether a server is running on this machine
    Status(StatusArgs),
    /// Print the server's log
    Logs(LogsArgs),
    /// Stop the server on this machine
    Stop(StopArgs),
    /// Check this installation, and recover data from a damaged store
    Doctor(DoctorArgs),
    /// Show what a session sends to its model
    #[command(subcommand)]
    Debug(DebugCommand),
    /// Show or reload the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print shell completions
    Completions { shell: Shell },
}

#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<IpAddr>,
    /// Port to listen on; 0 picks a free one
    #[arg(short, long)]
    pub port: Option<u16>,
    /// Default directory for new sessions
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    #[command(flatten)]
    pub model: ModelArgs,
    /// Authentication that clients need
    #[arg(long, value_name = "HOW")]
    pub auth: Option<AuthChoice>,
    /// Allow addresses that other machines can reach, without TLS: anyone on the path can read the key, prompts, answers and files
    #[arg(long)]
    pub insecure: bool,
    /// Write the messages of each ACP connection to a file in this directory, for debugging; includes their content
    #[arg(long, value_name = "DIR")]
    pub trace: Option<PathBuf>,
    /// Stay in the foreground (the default; append & to run in the background)
    #[arg(long)]
    pub foreground: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct ModelArgs {
    /// Model for new sessions: provider/name, or `demo`
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,
    /// URL of a model server
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// API that the model server speaks: openai (chat completions), responses, anthropic (Messages) or gemini
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<Protocol>,
    /// Environment variable that holds the API key
    #[arg(long, value_name = "NAME")]
    pub api_key_env: Option<String>,
    /// Permission mode: plan, ask, auto-edit or full
    #[arg(long, value_name = "MODE")]
    pub permission: Option<Mode>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct ServerArgs {
    /// URL of a server to use instead of the one on this machine
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Where the agent runs
    #[arg(long, value_name = "WHERE")]
    pub mode: Option<ClientMode>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Only the answer goes to standard output; progress, tool calls and questions go to standard error.
Text on standard input is sent along: a file, or a pipe that delivers something within 3 seconds (--stdin waits longer).
Without a terminal, nobody can answer questions: use --permission auto-edit or full if something has to change.

Exit codes:
  0 completed   1 failed   2 wrong usage or configuration   3 cancelled
  4 completed, but something was refused because nobody could answer   5 server not reachable

Examples:
  wharf ask \"explain src/main.rs\"
  cargo test 2>&1 | wharf ask --permission auto-edit \"fix what fails\"
  wharf ask --continue \"and now the other one\"
  wharf ask --json \"list the files\" | jq .type")]
pub struct AskArgs {
    /// The prompt; several words are joined
    #[arg(value_name = "PROMPT")]
    pub prompt: Vec<String>,
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    /// Agent for a new session
    #[arg(long)]
    pub agent: Option<String>,
    /// Session to use instead of a new one
    #[arg(short, long, value_name = "ID", conflicts_with = "continue")]
    pub session: Option<String>,
    /// Use this directory's latest session
    #[arg(short, long)]
    pub r#continue: bool,
    /// Directory to work in instead of the current one
    #[arg(short = 'C', long, value_name = "DIR", alias = "work-dir")]
    pub cwd: Option<PathBuf>,
    /// Additional directory that the agent can access; repeatable
    #[arg(long, value_name = "DIR")]
    pub add_dir: Vec<PathBuf>,
    /// Print events as NDJSON instead of the answer
    #[arg(long)]
    pub json: bool,
    /// Show timings and token usage
    #[arg(long)]
    pub perf: bool,
    /// Cancel the turn after this many seconds (default: client.turn_ms)
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Wait for the end of standard input, however long it takes
    #[arg(long, conflicts_with = "no_stdin")]
    pub stdin: bool,
    /// Refuse everything that needs a permission instead of asking
    #[arg(long)]
    pub unattended: bool,
    /// Do not read standard input
    #[arg(long)]
    pub no_stdin: bool,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Each line is a prompt; while a turn runs, new prompts wait in a queue. Lines that begin with / are commands: /help lists them.
Ctrl-C cancels the running turn; pressed twice while nothing runs, it quits. Ctrl-D quits. A running turn continues on the server.
If standard input is a file or a pipe, its lines run one after the other.")]
pub struct AttachArgs {
    /// URL of a server to use instead of the one on this machine
    #[arg(value_name = "URL")]
    pub url: Option<String>,
    /// Session to attach to instead of a new one
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
    /// Directory to work in instead of the current one
    #[arg(short = 'C', long, value_name = "DIR", alias = "work-dir")]
    pub cwd: Option<PathBuf>,
    /// Additional directory that the agent can access; repeatable
    #[arg(long, value_name = "DIR")]
    pub add_dir: Vec<PathBuf>,
    /// Where the agent runs
    #[arg(long, value_name = "WHERE")]
    pub mode: Option<ClientMode>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
Editors start this command themselves: configure `wharf acp` as the agent's command. Standard output carries only the protocol.
If the connection to the server is lost, `wharf acp` reconnects and resumes; the editor is not disturbed, even by a server restart.

`wharf` without a command does the same if standard input is a pipe that carries JSON.")]
pub struct AcpArgs {
    /// URL of a server to use instead of the one on this machine
    #[arg(long, value_name = "URL", conflicts_with_all = ["embedded", "start_server"])]
    pub server: Option<String>,
    /// Start a server if none is running; it keeps running after the editor exits
    #[arg(long, conflicts_with = "embedded")]
    pub start_server: bool,
    /// Run the agent in this process, without a server
    #[arg(long)]
    pub embedded: bool,
    /// Read and write files on disk instead of through the editor, for editors that change line endings or overwrite unsaved text
    #[arg(long)]
    pub server_files: bool,
    /// Write every message to this file, for debugging; includes content, but no keys
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// What was read of standard input before it was known that an editor is there.
    #[arg(skip)]
    pub read_ahead: Vec<u8>,
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
#[command(
    after_help = "\
Without an editor, lists the editors that are installed and whether they are set up.

Zed and JetBrains get an entry in their settings file; comments and everything else are preserved, and a backup is kept next to
it. For Neovim, Emacs and Toad, Wharf writes a file of its own and prints the line that you add; it never changes your code.
An existing entry or file with other content is only replaced with --force.

Examples:
  wharf init
  wharf init model           set up a model provider, and try its key
  wharf init zed --print     show what would change
  wharf init zed",
    args_conflicts_with_subcommands = true
)]
pub struct InitArgs {
    #[command(subcommand)]
    pub command: Option<InitCommand>,
    /// The editor to set up
    #[arg(value_name = "EDITOR")]
    pub editor: Option<Editor>,
    /// Show what would change without changing anything
    #[arg(long, requires = "editor")]
    pub print: bool,
    /// Replace an existing entry or file with other content
    #[arg(long, requires = "editor")]
    pub force: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub enum InitCommand {
    /// Set up a model provider: asks for what is missing, tries the key with one small request, writes the profile
    Model(InitModelArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Writes [providers.NAME] into the configuration file; everything else in it is preserved, and a backup is kept next to it. A key \
that is typed is never shown; it goes into a file of its own that only you can read. On a terminal, what no flag says is asked.

Examples:
  wharf init model
  wharf init model anthropic
  wharf init model openai --name work --key-env WORK_KEY --default
  pass show lab | wharf init model http://10.0.0.7:8000/v1 --name lab --key-stdin")]
pub struct InitModelArgs {
    /// A known provider (openai, anthropic, ollama, ...), or the address of any other server
    #[arg(value_name = "PROVIDER")]
    pub provider: Option<String>,
    /// What the provider is called here; without it the known provider's own name, or `custom`
    #[arg(long)]
    pub name: Option<String>,
    /// Where its server is
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// What its server speaks: openai, responses, anthropic or gemini
    #[arg(long)]
    pub protocol: Option<Protocol>,
    /// The model to try, and to use where only the provider is named
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Environment variable that holds the key
    #[arg(long, value_name = "VARIABLE", conflicts_with_all = ["key_file", "key_stdin"])]
    pub key_env: Option<String>,
    /// File that holds the key
    #[arg(long, value_name = "FILE", conflicts_with = "key_stdin")]
    pub key_file: Option<PathBuf>,
    /// Read the key from standard input and keep it in a file of its own
    #[arg(long)]
    pub key_stdin: bool,
    /// Use it for new sessions
    #[arg(long)]
    pub default: bool,
    /// Write the profile without trying it
    #[arg(long)]
    pub no_test: bool,
    /// Replace a profile of that name
    #[arg(long)]
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
pub enum DebugCommand {
    /// Show what the model would be sent in a session, and what each part costs in tokens
    Context {
        id: String,
        /// As JSON, with the messages themselves
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        list: ListArgs,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub enum SessionsCommand {
    /// List sessions, most recently changed first
    List(SessionListArgs),
    /// Show a session and its messages
    Show {
        id: String,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Reopen a session that was sealed after repeated crashes or damage
    Unseal {
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Copy a session with its history
    Fork {
        id: String,
        /// Last event to copy (default: the latest)
        #[arg(long, value_name = "SEQ")]
        at: Option<u64>,
        /// Title of the copy
        #[arg(long)]
        title: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Have the model summarize the conversation to free room in its window
    Compact {
        id: String,
        /// What the summary is to keep above all
        #[arg(long, value_name = "TEXT")]
        focus: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Save a session's whole log, to move it elsewhere
    Export {
        id: String,
        /// File to write (default: standard output); never overwritten
        file: Option<PathBuf>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Create a session from an export; nothing unfinished in it runs
    Import {
        /// File that `export` saved; `-` reads standard input
        file: PathBuf,
        /// Directory to work in (default: the one in the export)
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
    /// Words in the title or in a prompt
    #[arg(short, long, value_name = "WORDS")]
    pub query: Option<String>,
    /// Maximum number of sessions to list
    #[arg(short, long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
}

#[derive(Debug, Clone, Default, Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ModelsArgs {
    /// Only this provider, with all of its models
    #[arg(value_name = "PROVIDER")]
    pub provider: Option<String>,
    #[command(flatten)]
    pub list: ListArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Tokens are what providers counted; a price is the configuration's, else the one of the table that comes with Wharf. A call whose \
price is not known is in no sum. Deleted sessions count as well.

Examples:
  wharf usage
  wharf usage --by model --since 2026-11-01")]
pub struct UsageArgs {
    /// What is kept apart
    #[arg(long, value_enum, default_value_t)]
    pub by: UsageKey,
    /// First day, in UTC
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub since: Option<String>,
    /// Last day
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub until: Option<String>,
    #[command(flatten)]
    pub list: ListArgs,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum UsageKey {
    #[default]
    Day,
    Model,
    /// A session's directory
    Workspace,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Background commands belong to a session and run on its server; the agent starts them with `bash` and background=true.
Without --session, this directory's latest session is used.

Examples:
  wharf commands                       list running and finished commands
  wharf commands output -f cmd-1f…     follow its output to the end
  wharf commands input cmd-1f… yes     type a line into it
  wharf commands stop cmd-1f…")]
pub struct CommandsArgs {
    #[command(subcommand)]
    pub command: Option<CommandsCommand>,
    /// Session (default: this directory's latest)
    #[arg(short, long, value_name = "ID", global = true)]
    pub session: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// URL of a server to use instead of the one on this machine
    #[arg(long, value_name = "URL", global = true)]
    pub server: Option<String>,
}

#[derive(Debug, Clone, Subcommand)]
pub enum CommandsCommand {
    /// List commands, newest first
    List,
    /// Print a command's output
    Output {
        id: String,
        /// Follow the output until the command ends; exit with 1 if it failed
        #[arg(short, long)]
        follow: bool,
        /// Byte offset to start at (default: the oldest that is kept)
        #[arg(long, value_name = "BYTE", default_value_t = 0)]
        offset: u64,
    },
    /// Write a line to a command's input
    Input {
        id: String,
        /// Text to write; several words are joined
        #[arg(value_name = "TEXT")]
        text: Vec<String>,
        /// Do not append a newline
        #[arg(short = 'n', long)]
        no_newline: bool,
        /// Close the input
        #[arg(long)]
        close: bool,
    },
    /// Stop a command and everything it started
    Stop { id: String },
}

#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// URL of a server to use instead of the one on this machine
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The server on this machine writes its log to server.log in the state directory (8 MiB, then server.log.1), and to standard error.
`log = \"info\"` in the configuration, WHARF_LOG=info or `wharf serve -v` logs more.")]
pub struct LogsArgs {
    /// Print new lines as they come, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Print this many of the last lines
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 200)]
    pub lines: usize,
    /// Print the path of the file instead
    #[arg(long)]
    pub path: bool,
}

#[derive(Debug, Clone, Args)]
pub struct StopArgs {
    /// Do not wait for running turns; they continue when the server starts again
    #[arg(long)]
    pub now: bool,
}

#[derive(Debug, Clone, Default, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Checks the configuration, the state directory, the key, the server, the disk, the store (its structure and every event) and the
models. Changes nothing. Works with or without a running server.

Exit codes:
  0 no errors (there may be warnings)   1 errors found, or not everything could be exported   2 wrong usage

Examples:
  wharf doctor --json | jq '.findings[] | select(.level != \"ok\")'
  wharf doctor export saved --session session-3f2a"
)]
pub struct DoctorArgs {
    #[command(subcommand)]
    pub command: Option<DoctorCommand>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Skip the slow checks of a large store: events and index contents
    #[arg(long)]
    pub quick: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub enum DoctorCommand {
    /// Save every readable event, one NDJSON file per session
    Export(DoctorExportArgs),
}

#[derive(Debug, Clone, Args)]
pub struct DoctorExportArgs {
    /// Directory for the files; created if missing. Existing files are never overwritten
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Export only this session
    #[arg(short, long, value_name = "ID")]
    pub session: Option<String>,
    /// Print a summary as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub enum McpCommand {
    /// Connect to the configured servers and show their status
    List(ListArgs),
    /// Connect to the configured servers and list their tools
    Tools(ListArgs),
    /// Call a tool directly; no permission is asked
    Call {
        /// mcp__SERVER__TOOL, as listed by `wharf mcp tools`
        tool: String,
        /// Arguments as a JSON object
        #[arg(default_value = "{}")]
        arguments: String,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Print each effective value and where it comes from
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the path of the configuration file
    Path,
    /// Print the JSON Schema of the file
    Schema,
    /// Make the server on this machine reload its configuration, like SIGHUP
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
        flags.extend(self.protocol.map(|protocol| ("protocol", "--protocol", text(protocol))));
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
            Self::Models(args) => args.list.server.flags(),
            Self::Usage(args) => args.list.server.flags(),
            Self::Tools(args) | Self::Agents(args) => args.server.flags(),
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
                    | SessionsCommand::Compact { server, .. }
                    | SessionsCommand::Export { server, .. },
                ) => server.flags(),
            },
            Self::Debug(DebugCommand::Context { list, .. }) => list.server.flags(),
            Self::Commands(args) => args.server.iter().map(|url| ("client.server", "--server", text(url))).collect(),
            Self::Acp(args) => args.server.iter().map(|url| ("client.server", "--server", text(url))).collect(),
            Self::Status(args) => args.server.iter().map(|url| ("client.server", "--server", text(url))).collect(),
            Self::Init(_)
            | Self::Mcp(_)
            | Self::Stop(_)
            | Self::Logs(_)
            | Self::Doctor(_)
            | Self::Config(_)
            | Self::Completions { .. } => Flags::new(),
        }
    }
}
