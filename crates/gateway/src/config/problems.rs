//! What is wrong with a configuration, where it stands, and how to mend it.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Line 0 is the file as a whole.
    File {
        path: PathBuf,
        line: usize,
    },
    Environment {
        name: String,
    },
    DotEnv {
        name: String,
    },
    Flag {
        key: String,
    },
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line: 0 } => write!(f, "{}", path.display()),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment { name } => write!(f, "environment {name}"),
            Origin::DotEnv { name } => write!(f, ".env {name}"),
            Origin::Flag { .. } => f.write_str("command line"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// Something that has to be changed before the gateway can start, or (as a warning) should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key it is about, such as `server.listen`; empty when it is about the file as a whole.
    pub key: String,
    pub origin: Origin,
    /// Completes "`key` …". Never holds a secret.
    pub wrong: String,
    /// What to do about it.
    pub mend: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.is_empty(), &self.origin) {
            (true, origin) => write!(f, "{}: {}", origin, self.wrong)?,
            (false, Origin::Default) => write!(f, "{} {}", self.key, self.wrong)?,
            (false, origin) => write!(f, "{origin}: {} {}", self.key, self.wrong)?,
        }
        write!(f, "; {}", self.mend)
    }
}

/// Every problem at once, so that one round of mending is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => writeln!(f, "the configuration has a problem:")?,
            count => writeln!(f, "the configuration has {count} problems:")?,
        }
        for problem in &self.0 {
            writeln!(f)?;
            match (problem.key.as_str(), &problem.origin) {
                ("", origin) => writeln!(f, "  {origin}")?,
                (key, Origin::Default) => writeln!(f, "  {key}")?,
                (key, origin) => writeln!(f, "  {key}  ({origin})")?,
            }
            writeln!(f, "    {}", problem.wrong)?;
            writeln!(f, "    mend: {}", problem.mend)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
