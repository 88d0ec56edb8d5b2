//! What the compiler says: about each mistake, in a file of `tests/ui/` of its own; and nothing at all
//! about the uses in `tests/ui/pass/`.

/// `TRYBUILD=overwrite` rewrites the messages that are expected.
#[test]
fn mistakes_are_reported_where_they_are_made() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
