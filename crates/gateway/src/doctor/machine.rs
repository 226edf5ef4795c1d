//! This machine: clock, files, sockets.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::{Area, Findings};
use crate::config::Config;
use crate::ops::process::open_files_limit;
use crate::outward::rustls_config;

/// Files, log files, connections to providers and the console, besides two sockets a call.
const FILES_BESIDE_CALLS: u64 = 128;

pub(super) fn machine(config: &Config, findings: &mut Findings) {
    clock(findings);
    data_dir(&config.server.data_dir, findings);
    if let Some(file) = config.log.file_in(&config.server) {
        log_file(&file, findings);
    }
    open_files(config, open_files_limit(), findings);
    if let Err(error) = rustls_config(config.server.extra_ca_file.as_deref()) {
        findings.fail(Area::Machine, error.to_string(), "");
    }
    port(config.server.listen, findings);
}

/// A clock that is years off makes every certificate and signature wrong.
pub(super) fn clock(findings: &mut Findings) {
    let year = Timestamp::now().strftime("%Y").to_string().parse::<u32>().unwrap_or(0);
    if (2025..2100).contains(&year) {
        findings.ok(Area::Machine, "the clock is plausible");
    } else {
        findings.fail(
            Area::Machine,
            format!("the clock says it is the year {year}: certificates and signatures will not be accepted"),
            "set the clock, best by NTP",
        );
    }
}

fn data_dir(folder: &Path, findings: &mut Findings) {
    match probe(folder) {
        Ok(()) => findings.ok(Area::Machine, format!("records can be written to {}", folder.display())),
        Err(error) => findings.fail(
            Area::Machine,
            format!("{} cannot be written to ({error}): call records would be lost", folder.display()),
            "make the folder writable for this user, or name another in server.data_dir",
        ),
    }
}

fn log_file(file: &Path, findings: &mut Findings) {
    let folder = file.parent().unwrap_or(Path::new("."));
    if let Err(error) = probe(folder) {
        findings.warn(
            Area::Machine,
            format!("{} cannot be written to ({error}): there would be no log file", folder.display()),
            "make the folder writable, name another file in log.file, or set it to \"none\"",
        );
    }
}

/// Writes a file and takes it away again. A folder that is made for it stays, as it would be made anyway.
pub(crate) fn probe(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let file = folder.join(format!(".trunkline-doctor-{}", std::process::id()));
    let written = fs::write(&file, "probe\n");
    let removed = fs::remove_file(&file);
    written.and(removed)
}

fn open_files(config: &Config, limit: Option<u64>, findings: &mut Findings) {
    let Some(limit) = limit else { return };
    let calls = u64::from(config.limits.calls);
    let needed = 2 * calls + FILES_BESIDE_CALLS;
    if limit < needed {
        findings.fail(
            Area::Machine,
            format!("{calls} calls need {needed} open files and sockets, but only {limit} are allowed"),
            "raise it (ulimit -n, or LimitNOFILE= in the service file), or lower limits.calls",
        );
    } else {
        findings.ok(Area::Machine, format!("{limit} open files and sockets are enough for {calls} calls"));
    }
    let connections = u64::from(config.server.connections_max);
    if limit >= needed && limit < connections {
        findings.hint(
            Area::Machine,
            format!("server.connections_max is {connections}, but only {limit} open files are allowed"),
            "raise the limit of open files, or lower server.connections_max",
        );
    }
}

fn port(address: SocketAddr, findings: &mut Findings) {
    let area = Area::Network;
    match TcpListener::bind(address) {
        Ok(_) => findings.ok(area, format!("{address} is free to listen on")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if answers_alive(address) {
                findings.ok(area, format!("a gateway is running on {address} already"));
            } else {
                findings.fail(
                    area,
                    format!("another program, perhaps another trunkline, listens on {address} already"),
                    "stop that program, or choose another port in server.listen",
                );
            }
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => findings.fail(
            area,
            format!("this user may not listen on {address}"),
            "choose a port above 1023 in server.listen and put a proxy before it",
        ),
        Err(error) => findings.fail(
            area,
            format!("cannot listen on {address}: {error}"),
            "write an address of this machine in server.listen; 127.0.0.1 for this machine alone, 0.0.0.0 for all",
        ),
    }
}

/// Whether what listens there answers `/livez` as a gateway does.
fn answers_alive(address: SocketAddr) -> bool {
    let ask = || -> io::Result<bool> {
        let patience = Duration::from_millis(800);
        let reachable = match address.ip().is_unspecified() {
            true => SocketAddr::from(([127, 0, 0, 1], address.port())),
            false => address,
        };
        let mut stream = TcpStream::connect_timeout(&reachable, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut reply = [0; 12];
        stream.read_exact(&mut reply)?;
        Ok(reply == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn too_few_open_files_for_the_calls_is_a_failure() {
        let worst = |limit| {
            let mut findings = Findings::default();
            open_files(&Config::default(), Some(limit), &mut findings);
            findings.0.iter().map(|finding| finding.severity).max().unwrap()
        };

        assert_eq!(worst(200), Severity::Fail);
        assert_eq!(worst(1024), Severity::Hint, "enough for the calls, not for all connections");
        assert_eq!(worst(65_536), Severity::Ok);
    }

    #[test]
    fn a_port_of_another_program_is_told_from_a_running_gateway() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut findings = Findings::default();
        port(silent.local_addr().unwrap(), &mut findings);
        assert_eq!(findings.0[0].severity, Severity::Fail);

        let alive = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = alive.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = alive.accept().unwrap();
            let mut request = [0; 14];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            (request, alive)
        });
        let mut findings = Findings::default();
        port(address, &mut findings);
        assert_eq!(findings.0[0].severity, Severity::Ok);
        assert_eq!(&answering.join().unwrap().0, b"GET /livez HTT");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_failure_and_a_probe_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut findings = Findings::default();
        data_dir(&folder.path().join("new"), &mut findings);
        assert_eq!(findings.0[0].severity, Severity::Ok);
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);

        fs::write(folder.path().join("file"), "").unwrap();
        let mut findings = Findings::default();
        data_dir(&folder.path().join("file"), &mut findings);
        assert_eq!(findings.0[0].severity, Severity::Fail);
        assert!(findings.0[0].mend.contains("server.data_dir"));
    }
}
