//! How a document is delivered: P1, P3, P4, P5, P6, P7, P10, P11, P15, K4.

use std::time::Duration;

use crate::documents::MAX_DOCUMENT;
use crate::facts::{Answer, Fetched, Misplaced, Reach, Roots, TlsFault, TlsKind, is_private};
use crate::finding::{Code, Finding, Parties, Party, Severity};

/// AWS documents that it gives up after about this time.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Slower than this is a warning.
const SLOW: Duration = Duration::from_secs(2);
/// Keeping a document longer than this makes every rotation as slow.
const LONG_CACHE: u64 = 24 * 3600;

/// Which document it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// The discovery document.
    Discovery,
    /// The key set.
    Keys,
}

/// What is wrong with the delivery, and the body if there is one to look into.
#[must_use]
pub fn judge(fetched: &Fetched, document: Document, roots: Roots) -> (Vec<Finding>, Option<&[u8]>) {
    let url = fetched.url.as_str();
    let mut found = match roots {
        Roots::PlayPublic => Vec::new(),
        Roots::Public | Roots::Given => addresses(fetched, document),
    };
    let unreachable = |observed: String, fix: &str| {
        Finding::new(Code::P6, url)
            .observed(observed)
            .required("an answer over HTTPS, from anywhere")
            .fix(fix)
    };
    let failed = match &fetched.reach {
        Reach::Answered(answer) => {
            let (more, body) = answered(url, answer, document);
            found.extend(more);
            found.extend(authority(url, roots));
            return (found, body);
        }
        Reach::Tls(fault) => tls(url, fault),
        Reach::Url(said) => Finding::new(Code::K5, url)
            .observed(said.clone())
            .required("an absolute https URL")
            .fix("Correct the issuer or jwks_uri"),
        Reach::Dns(said) => dangling(url, said),
        Reach::Connect(said) => unreachable(
            format!("no connection: {said}"),
            "Open the host to the internet on port 443: clouds come from their own networks",
        ),
        Reach::Timeout(after) => unreachable(
            format!("no answer within {} s", after.as_secs()),
            "Serve the documents from static storage or a CDN: AWS waits about 5 s",
        ),
        Reach::Broken(said) => unreachable(
            format!("an answer that broke off: {said}"),
            "Look at the server's log",
        ),
    };
    // The key set's address is in the discovery document: that is the thing to repair.
    let failed = match (document, &fetched.reach) {
        (Document::Keys, Reach::Dns(_) | Reach::Connect(_) | Reach::Timeout(_))
            if failed.code == Code::P6 || failed.code == Code::P15 =>
        {
            Finding { code: Code::K4, fix: "Set --service-account-jwks-uri to a URL below the issuer and publish the key set there".into(), ..failed }
        }
        _ => failed,
    };
    found.push(failed);
    (found, None)
}

fn addresses(fetched: &Fetched, document: Document) -> Vec<Finding> {
    let url = fetched.url.as_str();
    let list = |all: &[std::net::IpAddr]| {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        all.join(", ")
    };
    if fetched.addresses.is_empty() {
        return Vec::new();
    }
    if fetched.addresses.iter().all(|a| is_private(*a)) {
        let code = match document {
            Document::Discovery => Code::K1,
            Document::Keys => Code::K4,
        };
        return vec![
            Finding::new(code, url)
                .observed(format!("only private addresses: {}", list(&fetched.addresses)))
                .required("an address that clouds can reach")
                .fix("Publish at a public address; only Vault, OpenBao and other clusters could use a private one")
                .hurts(Parties::CLOUDS),
        ];
    }
    if fetched.addresses.iter().all(std::net::IpAddr::is_ipv6) {
        return vec![
            Finding::new(Code::P6, url)
                .observed(format!("IPv6 addresses only: {}", list(&fetched.addresses)))
                .required("an IPv4 address as well")
                .fix("Add an A record")
                .hurts(Parties::CLOUDS)
                .severity(Severity::Warning),
        ];
    }
    Vec::new()
}

fn dangling(url: &str, said: &str) -> Finding {
    Finding::new(Code::P15, url)
        .observed(format!("the host has no address: {said}"))
        .required("a name that you own and that leads to your documents")
        .fix("Restore the DNS record or the bucket at once, or delete the trust at every cloud: whoever takes the name becomes the issuer")
}

fn tls(url: &str, fault: &TlsFault) -> Finding {
    let finding = Finding::new(Code::P5, url);
    match &fault.kind {
        TlsKind::Expired(end) => finding
            .observed(format!("a certificate that expired on {end}"))
            .required("a certificate that is valid now")
            .fix("Renew it"),
        TlsKind::NotYetValid(begin) => finding
            .observed(format!("a certificate that is valid only from {begin}"))
            .required("a certificate that is valid now")
            .fix("Set the server's clock, or wait"),
        TlsKind::Name(names) => finding
            .observed(format!("a certificate for {}", if names.is_empty() { "no name".to_owned() } else { names.join(", ") }))
            .required(format!("one for {}", super::issuer::host(url)))
            .fix("Get a certificate for this host; a bucket with dots in its name has none under virtual-hosted addresses: use a CDN or path style"),
        TlsKind::SelfSigned => finding
            .observed("a certificate that signed itself")
            .required("one of a public authority")
            .fix("Get a certificate of a public authority, or check with --ca for relying parties that can be given one")
            ,
        TlsKind::MissingIntermediate(by) => finding
            .observed(format!("a certificate of {by}, without the certificates between it and an authority"))
            .required("the full chain: no cloud fetches missing ones")
            .fix("Let the server send the full chain (fullchain.pem)"),
        TlsKind::Authority(by) => finding
            .observed(format!("a certificate of {by}, which is no authority of those trusted"))
            .required("one of a public authority")
            .fix("Get a certificate of a public authority, or check with --ca for relying parties that can be given one"),
        TlsKind::NotTls => finding
            .observed("no TLS at this port")
            .required("HTTPS")
            .fix("Serve the documents over HTTPS; S3 website endpoints cannot: use the REST endpoint or a CDN"),
        TlsKind::Old => finding
            .observed("no TLS version or cipher of today")
            .required("TLS 1.2 or 1.3")
            .fix("Update the server's TLS settings"),
        TlsKind::Other => finding
            .observed(format!("no TLS session: {}", fault.said))
            .required("a TLS session with a certificate of a public authority")
            .fix("Look at the server's certificate and TLS settings"),
    }
}

/// With authorities that were given the documents are good for those only who were given them too.
fn authority(url: &str, roots: Roots) -> Option<Finding> {
    (roots == Roots::Given).then(|| {
        Finding::new(Code::P5, url)
            .observed("a certificate that only the given authorities stand for")
            .required("one of a public authority, for Entra and Google; AWS takes a registered thumbprint")
            .fix("Get a certificate of a public authority if these clouds shall trust the issuer")
            .hurts(Parties::only(Party::Entra).and(Party::Google))
            .severity(Severity::Warning)
    })
}

fn answered<'a>(
    url: &str,
    answer: &'a Answer,
    document: Document,
) -> (Vec<Finding>, Option<&'a [u8]>) {
    let mut found = Vec::new();
    match answer.status {
        200 => {}
        301 | 302 | 303 | 307 | 308 => {
            let to = answer.header("location").unwrap_or("nowhere");
            found.push(
                Finding::new(Code::P11, url)
                    .observed(format!("{} to {to}", answer.status))
                    .required("200 at this very URL: not all service providers follow redirects")
                    .fix("Serve the document here, or make the place it leads to the issuer before any trust is built"),
            );
            return (found, None);
        }
        status => {
            found.push(refused(url, status, answer));
            return (found, None);
        }
    }
    if answer.took > PATIENCE {
        found.push(slow(url, answer.took, Severity::Error));
    } else if answer.took > SLOW {
        found.push(slow(url, answer.took, Severity::Warning));
    }
    found.extend(media(url, answer, document));
    found.extend(caching(url, answer));
    if answer.cut || answer.body.len() > MAX_DOCUMENT {
        let size = answer.body.len();
        found.push(
            Finding::new(Code::P8, url)
                .observed(format!(
                    "{size} bytes{}",
                    if answer.cut { " and more" } else { "" }
                ))
                .required(format!("less than {MAX_DOCUMENT} bytes"))
                .fix("Publish the documents that `keyless issuer publish` makes")
                .severity(if answer.cut {
                    Severity::Error
                } else {
                    Severity::Warning
                }),
        );
    }
    (found, (!answer.cut).then_some(answer.body.as_slice()))
}

fn slow(url: &str, took: Duration, severity: Severity) -> Finding {
    Finding::new(Code::P6, url)
        .observed(format!("an answer after {:.1} s", took.as_secs_f64()))
        .required("an answer within 2 s: AWS gives up after about 5")
        .fix("Serve the documents from static storage or a CDN")
        .hurts(Parties::CLOUDS)
        .severity(severity)
}

fn media(url: &str, answer: &Answer, document: Document) -> Option<Finding> {
    let kind = answer.media_type();
    let fine = match document {
        Document::Discovery => matches!(kind.as_str(), "application/json"),
        Document::Keys => matches!(
            kind.as_str(),
            "application/json" | "application/jwk-set+json"
        ),
    };
    // Not decisive for anyone that could be tried, so never an error by itself.
    (!fine).then(|| {
        Finding::new(Code::P8, url)
            .observed(format!("Content-Type {kind:?}"))
            .required("application/json")
            .fix("Set the object's content type")
            .severity(Severity::Note)
    })
}

fn caching(url: &str, answer: &Answer) -> Option<Finding> {
    let control = answer
        .header("cache-control")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let seconds = |name: &str| {
        let found = control.split(',').map(str::trim);
        found
            .filter_map(|part| part.strip_prefix(name)?.parse::<u64>().ok())
            .next()
    };
    let longest = seconds("s-maxage=").max(seconds("max-age="));
    let age = answer.header("age").and_then(|a| a.parse::<u64>().ok());
    let stale = age.filter(|age| *age > longest.unwrap_or(3600).max(3600));
    if let Some(age) = stale {
        return Some(
            Finding::new(Code::P10, url)
                .observed(format!("a copy that is {age} s old (Age)"))
                .required("a copy no older than Cache-Control allows")
                .fix("Purge the CDN, and let it honour Cache-Control")
                .severity(Severity::Warning),
        );
    }
    longest.filter(|s| *s > LONG_CACHE).map(|s| {
        Finding::new(Code::P10, url)
            .observed(format!("caches may keep it for {s} s"))
            .required("300 to 3600 s: a new key must be seen before it signs")
            .fix("Set Cache-Control: public, max-age=300")
            .severity(Severity::Warning)
    })
}

/// A status that is no document, by who answers so.
fn refused(url: &str, status: u16, answer: &Answer) -> Finding {
    let body = String::from_utf8_lossy(&answer.body);
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>"))
            .map(|(text, _)| text.to_owned())
    };
    let code = answer
        .header("x-ms-error-code")
        .map(str::to_owned)
        .or_else(|| element("Code"));
    let named = code.as_deref().unwrap_or_default();
    let google = super::issuer::host(url).ends_with("storage.googleapis.com")
        || answer
            .headers
            .iter()
            .any(|(name, _)| name.starts_with("x-goog-") || name == "x-guploader-uploadid");
    let azure = answer
        .headers
        .iter()
        .any(|(name, _)| name.starts_with("x-ms-"))
        || super::issuer::host(url).ends_with(".blob.core.windows.net");
    let observed = match named {
        "" => format!("status {status}"),
        code => format!("status {status}, {code}"),
    };
    let finding = |code, fix: &str| {
        Finding::new(code, url)
            .observed(observed.clone())
            .required("200 without any login")
            .fix(fix)
    };
    match (named, status) {
        ("NoSuchBucket" | "ContainerNotFound", _) => finding(
            Code::P15,
            "Make the bucket again under the same name at once, or delete the trust at every cloud: whoever takes the name becomes the issuer",
        ),
        ("PublicAccessNotPermitted", _) => finding(
            Code::P3,
            "Set allowBlobPublicAccess on the storage account (azurerm: allow_nested_items_to_be_public) and access level blob on the container",
        ),
        ("ResourceNotFound" | "AuthenticationFailed" | "NoAuthenticationInformation", _)
            if azure =>
        {
            finding(
                Code::P3,
                "Set the container's public access level to blob; a private container answers ResourceNotFound",
            )
        }
        (_, 401 | 403 | 412) if google => finding(
            Code::P4,
            "Grant allUsers the role Storage Object Viewer on the bucket, and take public access prevention off it",
        ),
        ("AccessDenied" | "AllAccessDisabled", _) => finding(
            Code::P1,
            "Allow s3:GetObject for everyone in the bucket policy and switch Block Public Access off for policies; S3 says the same for an object that does not exist",
        ),
        (_, 404) => finding(
            Code::P7,
            "Publish the document exactly here: the well-known path is appended to the issuer. Some static hosts drop folders that begin with a dot",
        ),
        (_, 401 | 403 | 429 | 503) => finding(
            Code::P6,
            "Take logins, bot protection, address filters and rate limits off this path: service providers come often and from anywhere",
        ),
        _ => finding(Code::P6, "Look at the server's log"),
    }
}

/// A document that lies elsewhere.
#[must_use]
pub fn misplaced(url: &str, how: Misplaced, found: &str) -> Finding {
    let (observed, fix) = match how {
        Misplaced::Inserted => (
            "before the issuer's path, as RFC 8414 has it",
            "Append the well-known path to the issuer: OpenID Connect Discovery 1.0, section 4, does not insert it",
        ),
        Misplaced::WithoutPath => (
            "at the host's root, without the issuer's path",
            "Move both documents below the issuer's path, or use the host alone as the issuer",
        ),
        Misplaced::OtherName => (
            "under another name",
            "Name it .well-known/openid-configuration",
        ),
        Misplaced::WithoutDot => (
            "in a folder without its dot",
            "Publish where folders that begin with a dot are served; for GitHub Pages add a file .nojekyll",
        ),
        Misplaced::OAuth => (
            "as OAuth metadata (RFC 8414)",
            "Publish it as .well-known/openid-configuration: workload federation reads OpenID Connect Discovery",
        ),
    };
    Finding::new(Code::P7, url)
        .observed(format!(
            "nothing here, and the document {observed}, at {found}"
        ))
        .required("the document here")
        .fix(fix)
}

#[cfg(test)]
mod tests;
