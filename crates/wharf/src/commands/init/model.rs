//! `wharf init model`: asks for a provider and its key, tries them with one small request, and writes the profile.

mod asking;
mod file;
mod trial;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use wharf_models::{ApiKey, Preset, preset, presets};

use crate::cli::{Global, InitModelArgs};
use crate::config::{ProviderSection, default_path, profiles};
use crate::failure::{Exit, Failure};
use crate::output;
use crate::terminal::{clean, table};
use asking::Asking;
use file::ConfigFile;
use trial::Trial;

/// Models that are offered by number; any other can be typed.
const OFFERED: usize = 20;

/// What was decided on so far.
struct Profile {
    name: String,
    section: ProviderSection,
    preset: Option<&'static Preset>,
    /// To be kept in a file of its own.
    key: Option<ApiKey>,
}

pub fn run(global: &Global, environment: &BTreeMap<String, String>, args: &InitModelArgs) -> anyhow::Result<Exit> {
    let path = global.config.clone().or_else(|| default_path(environment));
    let path = path.ok_or_else(|| Failure::new(Exit::Usage, "there is no home directory for a configuration file"))?;
    let path = std::path::absolute(path).context("the configuration file")?;
    let mut file = ConfigFile::read(&path)?;
    let mut asking = Asking::new();
    let mut profile = provider(&mut asking, args)?;
    if file.has(&profile.name) && !args.force {
        let question = format!("the configuration has a provider {:?} already. Replace it?", profile.name);
        if !asking.is_possible() || !asking.yes(&question, false)? {
            let failure = Failure::new(Exit::Failed, format!("providers.{} is there already", profile.name));
            return Err(failure.hint("--force replaces it; --name NAME gives another name").into());
        }
    }
    key(&mut asking, args, environment, &mut profile)?;
    // Said now, and not once everything was asked.
    let sections = BTreeMap::from([(profile.name.clone(), profile.section.clone())]);
    let checked = profiles(&sections, environment).map_err(|bad| Failure::new(Exit::Usage, bad.to_string()))?;
    let described = checked.into_values().next().context("the profile")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let trial = Trial::new(&profile.name, described, profile.key.clone(), environment);
    let model = runtime.block_on(model(&mut asking, args, &profile, &trial))?;
    if !args.no_test {
        asking.say(&format!("asking {}/{model} for one word ...", profile.name));
        runtime.block_on(trial.ask(&model)).map_err(|reason| {
            Failure::new(Exit::Failed, format!("the test failed, and nothing was written: {reason}"))
                .hint("--no-test writes the profile without it")
        })?;
        asking.say("it answers");
    }
    profile.section.model = Some(model);
    let is_default = match (args.default, file.default_model()) {
        (true, _) => true,
        (false, None) => !asking.is_possible() || asking.yes("use it for new sessions?", true)?,
        (false, Some(other)) => {
            let question = format!("use it for new sessions, in place of {}?", clean(&other));
            asking.is_possible() && asking.yes(&question, false)?
        }
    };
    write(&mut file, &path, profile, is_default, environment)?;
    Ok(Exit::Completed)
}

/// Which provider it is, and what it is called.
fn provider(asking: &mut Asking, args: &InitModelArgs) -> anyhow::Result<Profile> {
    let wanted = match (&args.provider, &args.base_url) {
        (Some(provider), _) => provider.clone(),
        (None, Some(url)) => url.clone(),
        (None, None) => {
            asking.needed("a provider", "PROVIDER")?;
            let rows: Vec<Vec<String>> =
                presets().iter().map(|preset| vec![preset.name.to_owned(), preset.title.to_owned()]).collect();
            asking.say(&format!("{}Or the address of any other server: http://HOST:PORT/v1", table(&rows)));
            asking.line("provider", Some(presets()[0].name))?
        }
    };
    let (known, mut url) = match preset(&wanted) {
        Some(preset) => (Some(preset), args.base_url.clone()),
        None if wanted.contains("://") => (None, Some(wanted.clone())),
        None => {
            let known: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
            let failure = Failure::new(Exit::Usage, format!("there is no known provider {wanted:?}"));
            let hint = format!("there are {}; any other server is named by its address", known.join(", "));
            return Err(failure.hint(hint).into());
        }
    };
    if url.is_none() && known.is_some_and(|preset| preset.base_url.is_none()) {
        asking.needed("the address of your resource", "--base-url")?;
        url = Some(asking.line("base URL (https://RESOURCE.openai.azure.com/openai/v1)", None)?);
    }
    let name = match (&args.name, known) {
        (Some(name), _) => name.clone(),
        (None, Some(preset)) => preset.name.to_owned(),
        (None, None) if asking.is_possible() => asking.line("a name for it", Some("custom"))?,
        (None, None) => "custom".to_owned(),
    };
    let protocol = match (args.protocol, known) {
        (Some(protocol), _) => Some(protocol),
        (None, None) if asking.is_possible() => {
            let word = asking.line("what it speaks: openai, responses, anthropic or gemini", Some("openai"))?;
            Some(word.parse().map_err(|error: String| Failure::new(Exit::Usage, error))?)
        }
        (None, _) => None,
    };
    let section = ProviderSection {
        // A section of the provider's own name needs no more than that.
        preset: known.map(|preset| preset.name.to_owned()).filter(|preset| *preset != name),
        protocol,
        base_url: url,
        ..ProviderSection::default()
    };
    Ok(Profile { name, section, preset: known, key: None })
}

/// Where the key comes from.
fn key(
    asking: &mut Asking,
    args: &InitModelArgs,
    environment: &BTreeMap<String, String>,
    profile: &mut Profile,
) -> anyhow::Result<()> {
    let section = &mut profile.section;
    if let Some(variable) = &args.key_env {
        section.api_key_env = Some(variable.clone());
        return Ok(());
    }
    if let Some(path) = &args.key_file {
        section.api_key_file = Some(std::path::absolute(path).context("the key's file")?);
        return Ok(());
    }
    if args.key_stdin {
        profile.key = Some(asking::key_of_input()?);
        return Ok(());
    }
    let usual = profile.preset.and_then(|preset| preset.key_variable);
    let is_set = usual.is_some_and(|name| environment.get(name).is_some_and(|value| !value.trim().is_empty()));
    if let Some(variable) = usual.filter(|_| is_set)
        && (!asking.is_possible() || asking.yes(&format!("{variable} is set. Use it?"), true)?)
    {
        // The preset's own variable needs no word; but one that is written down is found again.
        section.api_key_env = Some(variable.to_owned());
        return Ok(());
    }
    let is_optional = profile.preset.is_none_or(Preset::is_local);
    if is_optional && !asking.is_possible() {
        return Ok(());
    }
    asking.needed("a key", "--key-env, --key-file or --key-stdin")?;
    let empty = if is_optional { "; empty for none" } else { "" };
    let key = asking.hidden(&format!("API key (it is not shown{empty})"))?;
    match key {
        Some(key) => profile.key = Some(key),
        None if is_optional => {}
        None => return Err(Failure::new(Exit::Usage, "no key was given").into()),
    }
    Ok(())
}

/// The model to try, and to use where only the provider is named.
async fn model(asking: &mut Asking, args: &InitModelArgs, profile: &Profile, trial: &Trial) -> anyhow::Result<String> {
    if let Some(model) = &args.model {
        return Ok(model.clone());
    }
    let usual = profile.preset.and_then(|preset| preset.default_model);
    if let (Some(usual), false) = (usual, asking.is_possible()) {
        return Ok(usual.to_owned());
    }
    let listed = trial.listed().await;
    let offered = match &listed {
        Ok(models) => &models[..],
        Err(reason) => {
            asking.say(&format!("its list of models could not be read: {}", clean(reason)));
            &[]
        }
    };
    let suggested = usual.or(offered.first().map(String::as_str));
    if !asking.is_possible() {
        let missing = || Failure::new(Exit::Failed, "it lists no model").hint("name one with --model");
        return Ok(suggested.ok_or_else(missing)?.to_owned());
    }
    for (number, model) in offered.iter().take(OFFERED).enumerate() {
        asking.say(&format!("{:3}  {}", number + 1, clean(model)));
    }
    if offered.len() > OFFERED {
        asking.say(&format!("     and {} more", offered.len() - OFFERED));
    }
    let answer = asking.line("model, by its name or number", suggested)?;
    let by_number = answer.parse::<usize>().ok().and_then(|number| offered.get(number.checked_sub(1)?));
    Ok(by_number.cloned().unwrap_or(answer))
}

fn write(
    file: &mut ConfigFile,
    path: &Path,
    mut profile: Profile,
    is_default: bool,
    environment: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let mut kept: Option<PathBuf> = None;
    if let Some(key) = profile.key.take() {
        let place = file::key_path(path, &profile.name)?;
        file::write_key(&place, &key).with_context(|| format!("cannot keep the key in {}", place.display()))?;
        profile.section.api_key_file = Some(place.clone());
        kept = Some(place);
    }
    let id = format!("{}/{}", profile.name, profile.section.model.as_deref().unwrap_or_default());
    let backup = file.write(&profile.name, &profile.section, is_default.then_some(&id), environment)?;
    output::out(&format!("{} has the provider {}\n", clean(&path.display().to_string()), clean(&profile.name)));
    if let Some(place) = kept {
        output::out(&format!("its key is in {}, for you alone\n", clean(&place.display().to_string())));
    }
    if let Some(backup) = backup {
        output::out(&format!("the configuration as it was: {}\n", clean(&backup.display().to_string())));
    }
    let how = if is_default { "wharf ask".to_owned() } else { format!("wharf ask --model {}", clean(&id)) };
    output::out(&format!("try it: {how} \"what does this project do?\"\n"));
    output::out("a server that runs takes it over with `wharf config reload`\n");
    Ok(())
}
