//! The text format, version 0.0.4. Written by hand because names such as
//! `externalsecret_sync_calls_error`, a counter without `_total`, are what dashboards know and
//! what OpenMetrics encoders rename.

use std::fmt::Write;

use crate::Metric;

/// Text being written.
#[derive(Debug)]
pub struct Text {
    reference: &'static [Metric],
    out: String,
    name: &'static str,
}

impl Text {
    /// No text yet, for metrics that `reference` describes.
    #[must_use]
    pub const fn new(reference: &'static [Metric]) -> Self {
        Self {
            reference,
            out: String::new(),
            name: "",
        }
    }

    /// Begins the metric `name`, with help and type from the reference.
    pub fn begin(&mut self, name: &'static str) {
        self.name = name;
        if let Some(metric) = self.reference.iter().find(|m| m.name == name) {
            // Writing to a String cannot fail.
            let _ = writeln!(
                self.out,
                "# HELP {name} {}\n# TYPE {name} {}",
                metric.help, metric.kind
            );
        }
    }

    /// One sample of the metric begun last.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.suffixed("", labels, value);
    }

    /// One sample of the metric begun last, under its name and `suffix`.
    pub fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        let mut separator = '{';
        for (label, text) in labels {
            self.out.push(separator);
            separator = ',';
            self.out.push_str(label);
            self.out.push_str("=\"");
            for c in text.chars() {
                match c {
                    '\\' => self.out.push_str("\\\\"),
                    '"' => self.out.push_str("\\\""),
                    '\n' => self.out.push_str("\\n"),
                    c => self.out.push(c),
                }
            }
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }

    /// The same with owned texts.
    pub fn owned(&mut self, labels: &[(&str, String)], value: f64) {
        let labels: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (*k, v.as_str())).collect();
        self.sample(&labels, value);
    }

    /// A metric without labels.
    pub fn single(&mut self, name: &'static str, value: f64) {
        self.begin(name);
        self.sample(&[], value);
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &[Metric] = &[
        Metric {
            name: "externalsecret_sync_calls_error",
            kind: "counter",
            labels: &["name", "namespace"],
            help: "Failed reconciles of an ExternalSecret",
        },
        Metric {
            name: "keyless_panics_total",
            kind: "counter",
            labels: &[],
            help: "Reconciles that ended in a defect",
        },
    ];

    #[test]
    fn values_are_escaped_and_names_kept() {
        let mut text = Text::new(REFERENCE);
        text.begin("externalsecret_sync_calls_error");
        text.sample(&[("name", "a\"b\\c\nd"), ("namespace", "n")], 3.0);
        text.single("keyless_panics_total", 0.0);
        assert_eq!(
            text.finish(),
            "# HELP externalsecret_sync_calls_error Failed reconciles of an ExternalSecret\n\
             # TYPE externalsecret_sync_calls_error counter\n\
             externalsecret_sync_calls_error{name=\"a\\\"b\\\\c\\nd\",namespace=\"n\"} 3\n\
             # HELP keyless_panics_total Reconciles that ended in a defect\n\
             # TYPE keyless_panics_total counter\n\
             keyless_panics_total 0\n"
        );
    }
}
