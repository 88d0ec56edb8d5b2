//! What the compiler says about each mistake, in a file of its own below `ui/`.

/// `TRYBUILD=overwrite` rewrites the messages that are expected.
#[test]
fn mistakes_are_reported_where_they_are_made() {
    // Nothing but these: then they are all checked by one call of cargo.
    trybuild::TestCases::new().compile_fail("macros/ui/*/*.rs");
}
