//! The compiler's message for each mistake, which is a file below `ui/`.

/// `TRYBUILD=overwrite` rewrites the messages that are expected.
#[test]
fn mistakes_are_reported_where_they_are_made() {
    // With failing cases only, trybuild checks all of them by one call of cargo.
    trybuild::TestCases::new().compile_fail("macros/ui/*/*.rs");
}
