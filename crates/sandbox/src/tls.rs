//! The sandbox's own certificate authority and the loopback HTTPS listeners under it.
