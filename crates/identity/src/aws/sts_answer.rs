//! The XML answers of STS.
//!
//! Owns: reading them by element name (their order is not stable), strictly. Refuses: meaning.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use keyless_secret::SecretBytes;
use serde::Deserialize;

use super::Credentials;

/// Largest answer that is read, in bytes. A real one has about 3 KiB.
pub(super) const LARGEST: usize = 64 << 10;

#[derive(Deserialize)]
struct Success {
    #[serde(rename = "AssumeRoleWithWebIdentityResult")]
    result: SuccessResult,
}

#[derive(Deserialize)]
struct SuccessResult {
    #[serde(rename = "Credentials")]
    credentials: XmlCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct XmlCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorResponse {
    error: XmlError,
    request_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct XmlError {
    code: String,
    #[serde(default)]
    message: String,
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StsError {
    /// `Code`.
    pub(super) code: String,
    /// `Message`, as sent.
    pub(super) message: String,
    /// `RequestId`.
    pub(super) request_id: Option<String>,
}

/// Reads a success. The error says what is missing and quotes nothing.
pub(super) fn credentials(body: &[u8]) -> Result<Credentials, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    // The parser's own words may quote the document, which holds the credentials.
    let success: Success = quick_xml::de::from_str(text)
        .map_err(|_| "it is not an AssumeRoleWithWebIdentityResponse".to_owned())?;
    let found = success.result.credentials;
    let secret_access_key: SecretBytes = found.secret_access_key.into();
    let session_token: SecretBytes = found.session_token.into();
    if found.access_key_id.is_empty() || secret_access_key.is_empty() || session_token.is_empty() {
        return Err("its credentials are incomplete".into());
    }
    Ok(Credentials {
        access_key_id: found.access_key_id,
        secret_access_key,
        session_token: Some(session_token),
        expires: Some(time(&found.expiration).ok_or("its Expiration is not a time")?),
    })
}

/// Reads an error document.
pub(super) fn error(body: &[u8]) -> Option<StsError> {
    let text = std::str::from_utf8(body).ok()?;
    let answer: ErrorResponse = quick_xml::de::from_str(text).ok()?;
    Some(StsError {
        code: answer.error.code,
        message: answer.error.message,
        request_id: answer.request_id,
    })
}

/// Reads an ISO 8601 time.
pub(super) fn time(text: &str) -> Option<SystemTime> {
    DateTime::from_str(text.trim(), Format::DateTimeWithOffset)
        .ok()?
        .try_into()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SUCCESS: &str = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
      <AssumeRoleWithWebIdentityResult>
        <SubjectFromWebIdentityToken>system:serviceaccount:a:b</SubjectFromWebIdentityToken>
        <Audience>sts.amazonaws.com</Audience>
        <AssumedRoleUser><Arn>arn</Arn><AssumedRoleId>id</AssumedRoleId></AssumedRoleUser>
        <Credentials>
          <SessionToken>tok/en+=&amp;</SessionToken>
          <Expiration>2033-05-18T03:33:20Z</Expiration>
          <SecretAccessKey>canarysecret</SecretAccessKey>
          <AccessKeyId>ASIA1</AccessKeyId>
        </Credentials>
        <Provider>arn</Provider>
      </AssumeRoleWithWebIdentityResult>
      <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>
    </AssumeRoleWithWebIdentityResponse>"#;

    #[test]
    fn credentials_are_read_by_name() {
        let found = credentials(SUCCESS.as_bytes()).unwrap();
        assert_eq!(found.access_key_id, "ASIA1");
        assert_eq!(found.secret_access_key.expose(), b"canarysecret");
        assert_eq!(found.session_token.unwrap().expose(), b"tok/en+=&");
        let since = found
            .expires
            .unwrap()
            .duration_since(SystemTime::UNIX_EPOCH);
        assert_eq!(since.unwrap().as_secs(), 2_000_000_000);
    }

    #[test]
    fn what_is_missing_is_an_error_that_quotes_nothing() {
        for element in [
            "AccessKeyId",
            "SecretAccessKey",
            "SessionToken",
            "Expiration",
        ] {
            let broken = SUCCESS.replace(element, "Other");
            let error = credentials(broken.as_bytes()).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
        for broken in [
            SUCCESS.replace("canarysecret", ""),
            SUCCESS.replace("2033-05-18T03:33:20Z", "canarysoon"),
            SUCCESS.replace("</Credentials>", ""),
            String::new(),
            "<html>canary</html>".into(),
        ] {
            let error = credentials(broken.as_bytes()).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn errors_are_read_by_name() {
        let body = r#"<?xml version="1.0"?><ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Message>no &lt;b&gt;</Message><Code>AccessDenied</Code><Type>Sender</Type></Error><RequestId>r-2</RequestId></ErrorResponse>"#;
        let found = error(body.as_bytes()).unwrap();
        assert_eq!(
            (found.code.as_str(), found.message.as_str()),
            ("AccessDenied", "no <b>")
        );
        assert_eq!(found.request_id.as_deref(), Some("r-2"));
        assert!(error(b"<html><body>502</body></html>").is_none());
    }

    proptest! {
        #[test]
        fn anything_may_come(bytes: Vec<u8>, text in "(<[a-zA-Z/!&;]{0,12}>?|[a-z&;]{0,5}){0,12}") {
            let _ = (credentials(&bytes), error(&bytes));
            let _ = (credentials(text.as_bytes()), error(text.as_bytes()));
        }
    }
}
