//! `time.Parse`: a text read by a layout.
