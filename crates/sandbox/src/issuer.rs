//! The cluster's issuer: signing keys, minted tokens, and the two documents over HTTPS.
