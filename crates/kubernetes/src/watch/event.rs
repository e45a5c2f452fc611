//! The envelope of watch events and list pages, borrowed from the bytes they came in.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One line of a watch.
#[derive(Debug)]
pub enum Frame<'a> {
    /// ADDED or MODIFIED.
    Upsert {
        /// The object's JSON.
        object: &'a str,
        /// Its resourceVersion.
        version: Option<String>,
    },
    /// DELETED.
    Delete {
        /// The object's last JSON.
        object: &'a str,
        /// Its resourceVersion.
        version: Option<String>,
    },
    /// BOOKMARK.
    Bookmark {
        /// The resourceVersion up to which everything has been sent.
        version: Option<String>,
        /// Whether it ends the initial list.
        list_end: bool,
    },
    /// The resourceVersion asked for is no longer known: list again.
    Gone,
    /// Any other ERROR.
    Error {
        /// The Status code.
        code: u16,
        /// The Status message.
        message: String,
    },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Versioned {
    metadata: VersionedMeta,
}

#[derive(Deserialize)]
struct VersionedMeta {
    #[serde(rename = "resourceVersion")]
    version: Option<String>,
}

#[derive(Deserialize)]
struct Bookmark {
    metadata: BookmarkMeta,
}

#[derive(Deserialize)]
struct BookmarkMeta {
    #[serde(rename = "resourceVersion")]
    version: Option<String>,
    annotations: Option<BookmarkAnnotations>,
}

#[derive(Deserialize)]
struct BookmarkAnnotations {
    #[serde(rename = "k8s.io/initial-events-end")]
    list_end: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: u16,
    message: String,
}

/// Reads one line.
///
/// # Errors
/// A text for the operator's log if the line is no watch event.
pub fn frame(line: &[u8]) -> Result<Frame<'_>, String> {
    let envelope: Envelope<'_> = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let object = envelope.object.get();
    match envelope.r#type {
        "ADDED" | "MODIFIED" => Ok(Frame::Upsert {
            object,
            version: version(object),
        }),
        "DELETED" => Ok(Frame::Delete {
            object,
            version: version(object),
        }),
        "BOOKMARK" => {
            let bookmark: Bookmark = serde_json::from_str(object).map_err(|e| e.to_string())?;
            let list_end = bookmark.metadata.annotations.and_then(|a| a.list_end);
            Ok(Frame::Bookmark {
                version: bookmark.metadata.version,
                list_end: list_end.as_deref() == Some("true"),
            })
        }
        "ERROR" => {
            let status: Status = serde_json::from_str(object).unwrap_or_default();
            Ok(if status.code == 410 {
                Frame::Gone
            } else {
                Frame::Error {
                    code: status.code,
                    message: status.message,
                }
            })
        }
        other => Err(format!("unknown watch event type {other:?}")),
    }
}

fn version(object: &str) -> Option<String> {
    serde_json::from_str::<Versioned>(object)
        .ok()
        .and_then(|v| v.metadata.version)
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<'a> {
    /// The items' JSON.
    pub items: Vec<&'a RawValue>,
    /// The list's resourceVersion.
    pub version: String,
    /// The token of the next page, empty on the last.
    pub more: String,
}

/// Reads one page.
///
/// # Errors
/// A text for the operator's log if the body is no list.
pub fn page(body: &[u8]) -> Result<Page<'_>, String> {
    #[derive(Deserialize)]
    struct List<'a> {
        metadata: ListMeta,
        #[serde(borrow)]
        items: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct ListMeta {
        #[serde(rename = "resourceVersion", default)]
        version: String,
        #[serde(rename = "continue", default)]
        more: String,
    }
    let list: List<'_> = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    Ok(Page {
        items: list.items,
        version: list.metadata.version,
        more: list.metadata.more,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_ends_only_at_the_annotated_bookmark() {
        let plain = br#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}"#;
        let end = br#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"8","annotations":{"k8s.io/initial-events-end":"true"}}}}"#;
        assert!(matches!(
            frame(plain).unwrap(),
            Frame::Bookmark {
                list_end: false,
                ..
            }
        ));
        assert!(
            matches!(frame(end).unwrap(), Frame::Bookmark { list_end: true, version: Some(v) } if v == "8")
        );
    }

    #[test]
    fn expired_versions_are_told_from_other_errors() {
        let gone = br#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}"#;
        let other = br#"{"type":"ERROR","object":{"kind":"Status","code":500,"message":"x"}}"#;
        assert!(matches!(frame(gone).unwrap(), Frame::Gone));
        assert!(matches!(
            frame(other).unwrap(),
            Frame::Error { code: 500, .. }
        ));
    }

    #[test]
    fn objects_are_borrowed_whole() {
        let line = br#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"3"},"x":"\n"}}"#;
        let Frame::Upsert { object, version } = frame(line).unwrap() else {
            panic!("not an upsert")
        };
        assert!(object.starts_with('{') && object.ends_with('}'));
        assert_eq!(version.as_deref(), Some("3"));
    }

    #[test]
    fn junk_is_an_error() {
        for junk in [&b"{"[..], b"[]", b"{\"type\":\"X\",\"object\":{}}", b"null"] {
            assert!(frame(junk).is_err());
        }
        assert!(page(b"{\"items\":3}").is_err());
    }
}
