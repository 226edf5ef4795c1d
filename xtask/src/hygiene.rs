//! What is built in: under which licences, from where, and what must never be.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::peers::workspace;

/// Licences that may be built in.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "BSL-1.0",
    "0BSD",
    "CC0-1.0",
    "Unlicense",
    "Unicode-3.0",
    // The root certificates.
    "CDLA-Permissive-2.0",
    "MIT-0",
    // One TLS provider, compiled in; its parts are under these.
    "OpenSSL",
];

/// One TLS provider, and no library of the system's.
const BANNED: &[&str] = &["openssl-sys", "native-tls", "ring"];

pub(crate) fn check() -> Result<(), String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(workspace())
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    // The metadata also lists what an optional feature that nobody asks for would bring.
    let built = built()?;
    let packages = packages.iter().filter(|package| {
        let (name, version) = (&package["name"], &package["version"]);
        built.contains(&format!(
            "{} v{}",
            name.as_str().unwrap_or_default(),
            version.as_str().unwrap_or_default()
        ))
    });
    let packages: Vec<&Value> = packages.collect();
    let problems: Vec<String> = packages.iter().copied().flat_map(problems_of).collect();
    println!("{} packages are built in", packages.len());
    if problems.is_empty() { Ok(()) } else { Err(format!("\n  {}", problems.join("\n  "))) }
}

/// Names and versions of everything that is really compiled.
fn built() -> Result<BTreeSet<String>, String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--edges",
            "normal,build,dev",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(workspace())
        .output()
        .map_err(|error| format!("cargo tree: {error}"))?;
    let tree = String::from_utf8_lossy(&output.stdout);
    let built: BTreeSet<String> =
        tree.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    if built.is_empty() { Err("cargo tree lists nothing".into()) } else { Ok(built) }
}

fn problems_of(package: &Value) -> Vec<String> {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    let (name, version) = (text("name"), text("version"));
    let mut problems = Vec::new();
    let licence = text("license");
    if !is_allowed(licence) {
        problems.push(format!("{name} {version}: licence {licence:?} is not on the list"));
    }
    if BANNED.contains(&name) {
        problems.push(format!("{name} {version} is banned"));
    }
    let source = text("source");
    if !source.is_empty() && !source.starts_with("registry+") && !source.starts_with("sparse+") {
        problems.push(format!("{name} {version} comes from {source}, not from a registry"));
    }
    if source.is_empty() {
        let wild = package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|needed| needed["req"] == "*" && needed["path"].is_null());
        problems.extend(wild.map(|needed| format!("{name} asks for any version of {}", needed["name"])));
    }
    problems
}

/// An SPDX expression is satisfied when one side of every OR, and all sides of every AND, are on the list.
fn is_allowed(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let one_of = |part: &str| part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim()));
    !plain.is_empty() && plain.split(" AND ").all(one_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_good_choice_is_enough_and_every_part_must_be_good() {
        assert!(is_allowed("MIT OR GPL-3.0"));
        assert!(is_allowed("MIT/Apache-2.0"));
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!is_allowed("GPL-3.0"));
        assert!(!is_allowed("MIT AND GPL-3.0"));
        assert!(!is_allowed(""));
    }
}
