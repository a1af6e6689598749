//! `moonswitch serve` as those see it who run it: it starts, says so, answers, and goes when told.
#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

#[path = "interop/pbx.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod pbx;
#[path = "interop/scratch.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod scratch;
#[path = "interop/wait.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod wait;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use moonswitch::base::Rng;

use pbx::Pbx;
use scratch::Scratch;
use wait::{timed, wait_for};

#[test]
fn the_first_start_makes_two_extensions_and_the_second_keeps_them() {
    let pbx = Pbx::start_in(Scratch::new("first"));
    let log = pbx.log();
    assert!(log.contains("the extensions 1001 and 1002 were made"), "{log}");
    assert!(log.contains("admin.key"), "{log}");
    let scratch = pbx.into_scratch();
    for file in ["admin.key", "secret.key", "moonswitch.db", "moonswitch.lock"] {
        let mode = fs::metadata(scratch.file(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let key = fs::read_to_string(scratch.file("admin.key")).unwrap();
    assert!(!log.contains(key.trim()), "the key in the log");

    let pbx = Pbx::start_in(scratch);
    let log = pbx.log();
    assert!(log.contains("2 extensions") && !log.contains("first start"), "{log}");
}

#[test]
fn two_processes_never_share_a_directory() {
    let scratch = Scratch::new("shared");
    let pbx = Pbx::start_in(scratch);
    let output = pbx::run(pbx.data(), &[]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("another moonswitch runs in this directory"), "{text}");
}

#[test]
fn a_lost_key_of_the_house_is_told_and_not_made_again() {
    let scratch = Pbx::start_in(Scratch::new("lost-key")).into_scratch();
    fs::remove_file(scratch.file("secret.key")).unwrap();
    check(&scratch, &[], 1, "secret.key: it is gone");
    assert!(!scratch.file("secret.key").exists());
    fs::write(scratch.file("secret.key"), [7; 32]).unwrap();
    check(&scratch, &[], 1, "the key file does not fit");
}

#[test]
fn one_ready_line_names_every_port() {
    let mut pbx = Pbx::start();
    let words: Vec<_> = pbx.ready().split(' ').map(str::to_owned).collect();
    assert_eq!(words[0], "ready");
    assert!(words[1].starts_with("sip=127.0.0.1:") && !words[1].ends_with(":0"));
    assert!(words[2].starts_with("sip-tls=127.0.0.1:") && !words[2].ends_with(":0"));
    assert!(words[3].starts_with("http=127.0.0.1:") && !words[3].ends_with(":0"));
    assert!(words[4].starts_with("rtp=") && words[5].starts_with("scripts="));
    pbx.signal("TERM");
    pbx.wait();
    assert!(pbx.last_words().is_empty());
}

#[test]
fn health_is_answered_and_everything_else_is_not_found() {
    let pbx = Pbx::start();
    let (head, body) = pbx.get("/health");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    assert!(body.starts_with(r#"{"status":"ok","version":""#), "{body}");
    assert_eq!((pbx.health("calls"), pbx.health("registrations")), (0, 0));

    let (head, body) = pbx.get("/etc/passwd");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    assert!(head.contains("application/problem+json"), "{head}");
    assert!(body.contains(r#""status":404"#), "{body}");

    let huge = format!("GET /health HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(!pbx.ask(&huge).starts_with("HTTP/1.1 200"));
    assert!(pbx.get("/health").0.starts_with("HTTP/1.1 200"));
}

#[test]
fn a_silent_http_client_is_sent_away() {
    let pbx = Pbx::start();
    let mut silent = TcpStream::connect(pbx.http()).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    silent.write_all(b"GET /health HTT").unwrap();
    let (read, span) = timed(|| silent.read_to_end(&mut Vec::new()));
    assert!(read.is_ok(), "{read:?}");
    assert!(span < Duration::from_secs(15), "{span:?}");
}

#[test]
fn a_signal_ends_it_in_order_and_soon() {
    for signal in ["TERM", "INT"] {
        let mut pbx = Pbx::start();
        pbx.signal(signal);
        let (status, span) = timed(|| pbx.wait());
        assert_eq!(status.code(), Some(0), "{}", pbx.log());
        assert!(span < Duration::from_secs(2), "{span:?}");
    }
}

#[test]
fn wrong_words_are_usage_and_wrong_values_are_settings() {
    let scratch = Scratch::new("wrong");
    check(&scratch, &["--rpt", "1-2"], 2, "did you mean --rtp?");
    check(&scratch, &["--advertise", "nowhere"], 3, "--advertise \"nowhere\" is wrong: it wants");
    check(&scratch, &["--advertise", "nowhere"], 3, "such as 203.0.113.5");
    check(&scratch, &["--scripts", "/does/not/exist"], 3, "--scripts \"/does/not/exist\" is wrong");
}

#[test]
fn flag_environment_and_file_are_sources_of_settings() {
    let scratch = Scratch::new("sources");
    let file = scratch.file("pbx.toml");
    let config = file.to_str().unwrap();
    fs::write(&file, "advertise = \"nowhere\"\n\nhtpt = 1\n").unwrap();
    let own = format!("{config}:1: advertise \"nowhere\" is wrong: it wants an IP address");
    check(&scratch, &["--config", config], 3, &own);
    let typo = format!("{config}:3: there is no setting \"htpt\"; did you mean http?");
    check(&scratch, &["--config", config], 3, &typo);
    fs::write(&file, "advertise = \n").unwrap();
    check(&scratch, &["--config", config], 3, &format!("{config}:1: "));
    check(&scratch, &["--config", "/does/not/exist"], 3, "--config \"/does/not/exist\" is wrong");

    let output = pbx::command(scratch.path(), "127.0.0.1:0")
        .env("MOONSWITCH_SCRIPTS", "/does/not/exist")
        .env("MOONSWITCH_ADVERTIZE", "192.0.2.1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("MOONSWITCH_SCRIPTS \"/does/not/exist\" is wrong"), "{text}");
    assert!(text.contains("warning") && text.contains("did you mean MOONSWITCH_ADVERTISE?"));
}

#[test]
fn a_wrong_line_of_the_extensions_is_named() {
    let scratch = Scratch::new("wrong-file");
    let text = "[[extension]]\nnumber = \"1001\"\npassword = \"1001\"\n";
    fs::write(scratch.file("extensions.toml"), text).unwrap();
    check(&scratch, &[], 3, "extensions.toml:3: a password has at least 8 characters");
}

#[test]
fn every_problem_of_the_scripts_is_named_with_its_line() {
    let scratch = Scratch::new("wrong-scripts");
    fs::create_dir(scratch.file("scripts")).unwrap();
    fs::write(scratch.file("scripts/main.lua"), "\npbx.internal(\"1\", 5)\n").unwrap();
    check(&scratch, &[], 3, "scripts/main.lua:2: ");
    fs::write(scratch.file("scripts/main.lua"), "require \"a\"").unwrap();
    fs::write(scratch.file("scripts/a.lua"), "\n\nlocal =").unwrap();
    fs::write(scratch.file("scripts/b.lua"), "end").unwrap();
    check(&scratch, &[], 3, "scripts/a.lua:3: ");
    check(&scratch, &[], 3, "scripts/b.lua:1: ");
}

#[test]
fn an_edit_is_live_within_two_seconds_and_a_broken_one_changes_nothing() {
    let pbx = Pbx::start();
    let (first, _) = latest(&pbx);
    let scripts = pbx.file("scripts");
    let main = scripts.join("main.lua");
    let ours = |text: &str, how: &dyn Fn()| {
        let (before, _) = latest(&pbx);
        let ((), span) = timed(|| {
            how();
            wait_for(text, Duration::from_secs(5), || (latest(&pbx).0 != before).then_some(()));
        });
        assert!(span < Duration::from_secs(2), "{text}: {span:?}");
        latest(&pbx)
    };

    let (second, row) = ours("a directory that is made later", &|| {
        fs::create_dir(&scripts).unwrap();
        fs::write(&main, "pbx.internal('7', function(call) call:answer() end)").unwrap();
    });
    assert_ne!(first, second);
    assert!(row.contains(r#""source":"watch","state":"current","calls":0,"problems":[]"#), "{row}");

    let (third, row) = ours("an edit as editors do it", &|| {
        let draft = scripts.join(".main.lua.swp");
        fs::write(&draft, "\npbx.internal('8', function(call) call:answer() end)").unwrap();
        fs::rename(&draft, &main).unwrap();
    });
    assert!(row.contains(r#""state":"current""#), "{row}");

    let (_, row) = ours("a broken edit", &|| fs::write(&main, "\n\npbx.internal(").unwrap());
    assert!(row.contains(r#""state":"refused""#), "{row}");
    assert!(row.contains(r#""problems":[{"file":"main.lua","line":3,"message":""#), "{row}");
    let (_, health) = pbx.get("/health");
    assert!(health.contains(&format!("\"generation\":{third}")), "{health}");
    wait_for("the refusal in the log", Duration::from_secs(1), || {
        pbx.log().contains("refused").then_some(())
    });

    let (fourth, row) = ours("a directory that is replaced", &|| {
        let next = pbx.file("next");
        fs::create_dir_all(next.join("lib")).unwrap();
        fs::write(next.join("main.lua"), "require 'lib.x'").unwrap();
        fs::write(next.join("lib/x.lua"), "").unwrap();
        fs::rename(&scripts, pbx.file("before")).unwrap();
        fs::rename(&next, &scripts).unwrap();
    });
    assert!(row.contains(r#""state":"current""#), "{row}");
    let (fifth, _) = ours("an edit in the new directory", &|| {
        fs::write(scripts.join("lib/x.lua"), "return 5").unwrap();
    });
    assert_ne!(fourth, fifth);

    let (sixth, _) = ours("a directory that becomes a link", &|| {
        fs::rename(&scripts, pbx.file("release")).unwrap();
        std::os::unix::fs::symlink("release", &scripts).unwrap();
        fs::write(pbx.file("release/lib/x.lua"), "return 6").unwrap();
    });
    let (seventh, _) = ours("an edit behind the link", &|| {
        fs::write(pbx.file("release/lib/x.lua"), "return 7").unwrap();
    });
    assert_ne!(sixth, seventh);

    // The same again is no news; nor is the old directory, which nobody watches any more.
    let (_, all) = pbx.get("/api/v1/scripts");
    fs::write(scripts.join("lib/x.lua"), "return 7").unwrap();
    fs::write(pbx.file("before/main.lua"), "").unwrap();
    wait::let_pass(Duration::from_millis(800));
    assert_eq!(pbx.get("/api/v1/scripts").1, all);
}

#[test]
fn check_tells_every_problem_and_starts_nothing() {
    let scratch = Scratch::new("check");
    let check = |words: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_moonswitch"))
            .arg("check")
            .args(words)
            .current_dir(scratch.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, told) = check(&[]);
    assert_eq!(code, Some(0));
    assert!(told.starts_with("0 scripts, 2 routes: all good ("), "{told}");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "it made something");

    fs::create_dir_all(scratch.file("plan/lib")).unwrap();
    let main = "local x = require 'lib.x'\npbx.internal('7', function(call)\n  call:dail(x)\n  \
                call:dial('1', { timout = 3 }) -- call:dail\nend)\n";
    fs::write(scratch.file("plan/main.lua"), main).unwrap();
    fs::write(scratch.file("plan/lib/x.lua"), "return '1002'").unwrap();
    let slips = "plan/main.lua:3: unknown method 'dail' of call (did you mean 'dial'?)\n\
                 plan/main.lua:4: call:dial: unknown option 'timout' (did you mean 'timeout'?)\n";
    assert_eq!(check(&["--scripts", "plan"]), (Some(3), slips.to_owned()));

    fs::write(scratch.file("plan/lib/x.lua"), "return (").unwrap();
    let (code, told) = check(&["--scripts=plan"]);
    assert_eq!(code, Some(3));
    let (first, rest) = told.split_once('\n').unwrap();
    assert!(first.starts_with("plan/lib/x.lua:1: "), "{told}");
    assert_eq!(rest, slips);

    fs::write(scratch.file("plan/lib/x.lua"), "").unwrap();
    let twice = "pbx.internal('7', print)\npbx.internal('7', print)\n";
    fs::write(scratch.file("plan/main.lua"), twice).unwrap();
    let (code, told) = check(&["--scripts", "plan"]);
    assert_eq!(code, Some(3));
    assert_eq!(told, "plan/main.lua:2: this route is there already, at main.lua:1: 7\n");

    fs::write(scratch.file("plan/main.lua"), "pbx.internal('7', print)").unwrap();
    let (code, told) = check(&["--scripts", "plan"]);
    assert_eq!(code, Some(0));
    assert!(told.starts_with("2 scripts, 3 routes: all good ("), "{told}");
    assert_eq!(check(&["--scripts", "elsewhere"]).0, Some(3));
    assert_eq!(check(&["--scirpts", "plan"]).0, Some(2));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = UdpSocket::bind(taken).unwrap();
    let scratch = Scratch::new("taken");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_moonswitch"))
        .args(["--data".as_ref(), scratch.path().as_os_str()])
        .args(["--sip", &taken.to_string(), "--http", "127.0.0.1:0"])
        .output()
        .unwrap();
    drop(holder);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(&format!("cannot bind --sip {taken}")), "{text}");
}

#[test]
fn it_sleeps_when_there_is_nothing_to_do() {
    let pbx = Pbx::start();
    let before = pbx.wake_ups();
    wait::let_pass(Duration::from_secs(1));
    let woken = pbx.wake_ups() - before;
    assert!(woken < 50, "woken {woken} times in an idle second");
}

#[test]
fn ten_thousand_datagrams_of_nonsense_change_nothing() {
    // All of them are to be read.
    let pbx = Pbx::start_with("127.0.0.1:0", &["--stranger-rate", "0"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut rng = Rng::from_seed(43);
    for n in 0..10_000_usize {
        let mut bytes = options(&socket, &mut rng);
        if n % 2 == 0 {
            bytes = vec![0; rng.below(1500) as usize];
            rng.fill(&mut bytes);
        } else {
            for _ in 0..=rng.below(8) {
                let at = rng.below(bytes.len() as u64) as usize;
                bytes[at] = rng.bits32() as u8;
            }
        }
        socket.send_to(&bytes, pbx.sip()).unwrap();
        // Let it keep up: what the system drops for want of room is no test of ours.
        if n % 256 == 0 {
            expect_200(&pbx, &socket, &mut rng);
        }
    }
    expect_200(&pbx, &socket, &mut rng);
    assert_eq!(pbx.health("calls"), 0);
    assert!(!pbx.log().contains("a bug"), "{}", pbx.log());
}

/// The generation (in its quotes) and the whole row of the latest load.
fn latest(pbx: &Pbx) -> (String, String) {
    let (head, body) = pbx.get("/api/v1/scripts");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let rows = body.strip_prefix(r#"{"scripts":["#).expect(&body);
    let row = rows.split_once(r#"},{"generation""#).map_or(rows, |it| it.0);
    let generation = row.strip_prefix(r#"{"generation":"#).expect(row);
    (generation.split_once(',').unwrap().0.to_owned(), row.to_owned())
}

fn options(socket: &UdpSocket, rng: &mut Rng) -> Vec<u8> {
    let (here, branch) = (socket.local_addr().unwrap(), rng.token());
    format!(
        "OPTIONS sip:pbx.test SIP/2.0\r\n\
         Via: SIP/2.0/UDP {here};branch=z9hG4bK{branch};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:probe@pbx.test>;tag=1\r\n\
         To: <sip:pbx.test>\r\n\
         Call-ID: {branch}\r\n\
         CSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Asks until there is a 200 to the question among the answers.
fn expect_200(pbx: &Pbx, socket: &UdpSocket, rng: &mut Rng) {
    wait_for("an answer to OPTIONS", Duration::from_secs(10), || {
        let options = options(socket, rng);
        let branch = options.split(|it| *it == b';').find(|it| it.starts_with(b"branch=")).unwrap();
        socket.send_to(&options, pbx.sip()).unwrap();
        let mut answer = [0; 4096];
        (0..300).find_map(|_| {
            let length = socket.recv(&mut answer).ok()?;
            let answer = answer.get(..length)?;
            let ours = answer.windows(branch.len()).any(|it| it == branch);
            (ours && answer.starts_with(b"SIP/2.0 200")).then_some(())
        })
    });
}

#[track_caller]
fn check(scratch: &Scratch, words: &[&str], code: i32, message: &str) {
    let words: Vec<_> = words.to_vec();
    let output = pbx::run(scratch.path(), &words);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(message), "{text}");
}
