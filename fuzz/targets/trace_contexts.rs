#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| jetgate::fuzzing::trace_contexts(input));
