//! Pages that are printed from the code: what is committed is what the code says.
//! `MOONSWITCH_PAGES=write` writes them anew (`make pages`).
#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

#[path = "pages/rfcs.rs"]
mod rfcs;

use std::path::Path;
use std::{env, fs};

#[test]
fn the_pages_say_what_the_code_says() {
    let writes = env::var_os("MOONSWITCH_PAGES").is_some_and(|it| it == "write");
    let table = fs::read_to_string("tests/data/rfcs.txt").unwrap();
    let pages = [
        ("docs/rfcs.md", rfcs::page(Path::new("src"), &table)),
        ("docs/rest.md", moonswitch::rest::page()),
        ("docs/config.md", moonswitch::config::page()),
    ];
    for (path, page) in pages {
        if writes {
            fs::write(path, &page).unwrap();
        }
        let kept = fs::read_to_string(path).unwrap_or_default();
        let differs = kept.lines().zip(page.lines()).find(|(kept, says)| kept != says);
        assert!(kept == page, "{path} is old: {differs:?}; `make pages` writes it anew");
    }
}

#[test]
fn every_test_that_the_page_of_rfcs_names_is_there() {
    let table = fs::read_to_string("tests/data/rfcs.txt").unwrap();
    let slips = rfcs::slips(Path::new("src"), &table, |path| fs::read_to_string(path).ok());
    assert!(slips.is_empty(), "{slips:#?}");
}
