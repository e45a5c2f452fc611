//! Tokens: given, looked up, renewed, ended.
//!
//! Owns: lives and their limits, uses, children, and `auth/token`. Refuses: who may have one,
//! which the auth methods decide.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rand::Rng as _;
use serde_json::{Map, Value, json};

use super::protocol::{Operation, Outcome, Refusal, Reply, Request, seconds, texts, time, uuid};
use super::state::State;

/// Life of a token that nothing limits: 32 days.
const LONGEST: i64 = 768 * 3600;
/// The policy that allows everything.
pub(super) const ROOT: &str = "root";

/// Random letters and digits.
pub(super) fn random(length: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut rng = rand::rng();
    (0..length)
        .filter_map(|_| LETTERS.get(rng.random_range(0..LETTERS.len())))
        .map(|byte| char::from(*byte))
        .collect()
}

/// What is the same for the tokens of every auth method: the `token_*` fields of its roles.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    pub policies: Vec<String>,
    pub ttl: i64,
    pub max_ttl: i64,
    pub period: i64,
    pub uses: u32,
    pub batch: bool,
    pub no_default: bool,
}

impl Params {
    /// Reads the fields, by their present names or the older ones.
    pub fn read(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let get = |name: &str, old: &str| body.get(name).or_else(|| body.get(old));
        let kind = body.get("token_type").and_then(Value::as_str).unwrap_or("");
        if !matches!(
            kind,
            "" | "default" | "service" | "batch" | "default-service"
        ) {
            return Err(Refusal::bad(format!("invalid 'token_type' value {kind:?}")));
        }
        let params = Self {
            policies: texts(get("token_policies", "policies")),
            ttl: seconds(get("token_ttl", "ttl"))?,
            max_ttl: seconds(get("token_max_ttl", "max_ttl"))?,
            period: seconds(get("token_period", "period"))?,
            uses: body
                .get("token_num_uses")
                .or_else(|| body.get("num_uses"))
                .and_then(Value::as_u64)
                .and_then(|uses| u32::try_from(uses).ok())
                .unwrap_or_default(),
            batch: kind == "batch",
            no_default: body.get("token_no_default_policy") == Some(&Value::Bool(true)),
        };
        if params.batch && (params.uses > 0 || params.period > 0) {
            return Err(Refusal::bad(
                "'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with limited use count",
            ));
        }
        Ok(params)
    }
}

/// Who gets a token.
#[derive(Clone, Debug, Default)]
pub(super) struct Holder {
    pub namespace: String,
    /// The path of the login, e.g. `auth/jwt/login`.
    pub path: String,
    pub display_name: String,
    pub meta: BTreeMap<String, String>,
    /// Policies beside those of the role.
    pub policies: Vec<String>,
    pub parent: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub namespace: String,
    pub accessor: String,
    pub policies: BTreeSet<String>,
    pub path: String,
    display_name: String,
    meta: BTreeMap<String, String>,
    parent: Option<String>,
    created: i64,
    /// `None` for ever.
    expires: Option<i64>,
    /// The life it was given.
    ttl: i64,
    /// No renewal goes beyond.
    latest: Option<i64>,
    period: i64,
    uses: Option<u32>,
    renewable: bool,
    batch: bool,
}

impl Token {
    fn left(&self, now: i64) -> i64 {
        self.expires.map_or(0, |end| (end - now).max(0))
    }

    fn auth(&self, id: &str, now: i64) -> Value {
        json!({
            "client_token": id, "accessor": self.accessor,
            "policies": self.policies, "token_policies": self.policies, "metadata": self.meta,
            "lease_duration": self.left(now), "renewable": self.renewable,
            "entity_id": "", "token_type": if self.batch { "batch" } else { "service" },
            "orphan": self.parent.is_none(), "mfa_requirement": null,
            "num_uses": self.uses.unwrap_or_default(),
        })
    }

    fn data(&self, id: &str, now: i64) -> Value {
        json!({
            "id": id, "accessor": self.accessor, "policies": self.policies, "path": self.path,
            "meta": self.meta, "display_name": self.display_name, "entity_id": "",
            "creation_time": self.created, "creation_ttl": self.ttl, "explicit_max_ttl": 0,
            "expire_time": self.expires.map(time), "issue_time": time(self.created),
            "ttl": self.left(now), "num_uses": self.uses.unwrap_or_default(),
            "orphan": self.parent.is_none(), "renewable": self.renewable,
            "type": if self.batch { "batch" } else { "service" },
            "period": self.period, "namespace_path": self.namespace,
        })
    }
}

/// Every token that has not ended.
#[derive(Clone, Debug)]
pub(super) struct Tokens(HashMap<String, Token>);

impl Tokens {
    pub fn new(root: &str) -> Self {
        Self(HashMap::from([(
            root.to_owned(),
            Token {
                namespace: String::new(),
                accessor: random(24),
                policies: BTreeSet::from([ROOT.to_owned()]),
                path: "auth/token/root".to_owned(),
                display_name: "root".to_owned(),
                meta: BTreeMap::new(),
                parent: None,
                created: 0,
                expires: None,
                ttl: 0,
                latest: None,
                period: 0,
                uses: None,
                renewable: false,
                batch: false,
            },
        )]))
    }

    /// The token `id`, unless it has ended by `now`.
    pub fn get(&mut self, id: &str, now: i64) -> Option<&mut Token> {
        let ended = self.0.get(id)?.expires.is_some_and(|end| end <= now);
        if ended {
            self.revoke(id);
        }
        self.0.get_mut(id)
    }

    /// Takes one use; a token without any is gone after this call.
    pub fn use_once(&mut self, id: &str) {
        let spent = self.0.get_mut(id).is_some_and(|token| {
            let left = token.uses.map(|uses| uses.saturating_sub(1));
            token.uses = left;
            left == Some(0)
        });
        if spent {
            self.revoke(id);
        }
    }

    /// Ends `id` and all that were made with it.
    pub fn revoke(&mut self, id: &str) -> bool {
        let found = self.0.remove(id).is_some();
        let children: Vec<String> = self
            .0
            .iter()
            .filter(|(_, token)| token.parent.as_deref() == Some(id))
            .map(|(child, _)| child.clone())
            .collect();
        for child in children {
            self.revoke(&child);
        }
        found
    }

    /// How many tokens of the mount `path` (e.g. `auth/jwt`) live in `namespace` at `now`.
    pub fn alive(&self, namespace: &str, path: &str, now: i64) -> usize {
        let of = |token: &&Token| {
            token.namespace == namespace
                && token.path.starts_with(&format!("{path}/"))
                && token.expires.is_none_or(|end| end > now)
        };
        self.0.values().filter(of).count()
    }

    /// Ends every token but those of the root policy.
    pub fn revoke_all(&mut self) {
        self.0.retain(|_, token| token.policies.contains(ROOT));
    }

    /// Gives a token.
    pub fn issue(&mut self, params: &Params, holder: Holder, now: i64) -> Value {
        let mut policies: BTreeSet<String> = params.policies.iter().cloned().collect();
        policies.extend(holder.policies);
        if !params.no_default && !policies.contains(ROOT) {
            policies.insert("default".to_owned());
        }
        let max = match params.max_ttl {
            0 => LONGEST,
            max => max.min(LONGEST),
        };
        let (ttl, latest) = match (params.period, params.ttl) {
            (0, 0) => (max, Some(now + max)),
            (0, ttl) => (ttl.min(max), Some(now + max)),
            (period, _) => (period, None),
        };
        let token = Token {
            namespace: holder.namespace,
            accessor: random(24),
            policies,
            path: holder.path,
            display_name: holder.display_name,
            meta: holder.meta,
            parent: holder.parent,
            created: now,
            expires: Some(now + ttl),
            ttl,
            latest,
            period: params.period,
            uses: (params.uses > 0).then_some(params.uses),
            renewable: !params.batch,
            batch: params.batch,
        };
        let prefix = if params.batch { "hvb" } else { "hvs" };
        let id = format!("{prefix}.{}", random(90));
        let auth = token.auth(&id, now);
        self.0.insert(id, token);
        auth
    }

    fn renew(&mut self, id: &str, increment: i64, now: i64) -> Result<Value, Refusal> {
        let token = self.get(id, now).ok_or_else(Refusal::invalid_token)?;
        if token.batch {
            return Err(Refusal::bad("batch tokens cannot be renewed"));
        }
        if !token.renewable {
            return Err(Refusal::bad("lease is not renewable"));
        }
        let wished = match (token.period, increment) {
            (0, 0) => token.ttl,
            (0, increment) => increment,
            (period, _) => period,
        };
        let end = now + wished;
        token.expires = Some(token.latest.map_or(end, |latest| end.min(latest)));
        Ok(token.auth(id, now))
    }
}

/// `auth/token/…`. The caller has a valid token and the permission.
pub(super) fn call(state: &mut State, request: &Request, path: &str) -> Outcome {
    let own = request.token.clone().unwrap_or_default();
    let named = |field: &str| match request.text(field) {
        "" => Err(Refusal::bad("missing token ID")),
        id => Ok(id.to_owned()),
    };
    let now = request.now;
    let looked_up = |state: &mut State, id: &str| {
        let token = state.tokens.get(id, now).map(|token| token.data(id, now));
        token
            .map(Reply::Data)
            .ok_or_else(|| Refusal::new(403, "bad token"))
    };
    match (path, request.operation) {
        ("lookup-self", Operation::Read | Operation::Write) => looked_up(state, &own),
        ("lookup", Operation::Write) => looked_up(state, &named("token")?),
        ("renew-self", Operation::Write) => {
            let increment = seconds(request.body.get("increment"))?;
            state.tokens.renew(&own, increment, now).map(Reply::Auth)
        }
        ("renew", Operation::Write) => {
            let increment = seconds(request.body.get("increment"))?;
            let renewed = state.tokens.renew(&named("token")?, increment, now);
            renewed.map(Reply::Auth)
        }
        ("revoke-self", Operation::Write) => {
            state.tokens.revoke(&own);
            Ok(Reply::Nothing)
        }
        ("revoke", Operation::Write) => {
            state.tokens.revoke(&named("token")?);
            Ok(Reply::Nothing)
        }
        ("create" | "create-orphan", Operation::Write) => create(state, request, path, own),
        (
            "lookup-self" | "lookup" | "renew-self" | "renew" | "revoke-self" | "revoke" | "create"
            | "create-orphan",
            _,
        ) => Err(Refusal::unsupported()),
        _ => Err(Refusal::no_route(&request.path)),
    }
}

fn create(state: &mut State, request: &Request, path: &str, own: String) -> Outcome {
    let mut body = request.body.clone();
    if let Some(kind) = body.remove("type") {
        body.insert("token_type".to_owned(), kind);
    }
    let mut params = Params::read(&body)?;
    params.no_default |= body.get("no_default_policy") == Some(&Value::Bool(true));
    params.max_ttl = match seconds(body.get("explicit_max_ttl"))? {
        0 => params.max_ttl,
        max => max,
    };
    let parent = state
        .tokens
        .get(&own, request.now)
        .cloned()
        .ok_or_else(Refusal::invalid_token)?;
    if params.policies.is_empty() {
        params.policies = parent.policies.iter().cloned().collect();
    } else if !parent.policies.contains(ROOT)
        && !params.policies.iter().all(|p| parent.policies.contains(p))
    {
        return Err(Refusal::bad("child policies must be subset of parent"));
    }
    let holder = Holder {
        namespace: request.namespace.clone(),
        path: "auth/token/create".to_owned(),
        display_name: format!("token-{}", uuid().get(..8).unwrap_or_default()),
        parent: (path == "create").then_some(own),
        ..Holder::default()
    };
    Ok(Reply::Auth(state.tokens.issue(
        &params,
        holder,
        request.now,
    )))
}
