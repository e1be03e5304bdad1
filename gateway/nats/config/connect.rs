//! From configuration to what the NATS library takes.

use std::io;

use async_nats::{ConnectOptions, ServerAddr};

use super::{Config, server_urls::UrlCredentials};

impl Config {
    /// The seed servers.
    ///
    /// # Errors
    ///
    /// When the library does not take one of the URLs; those were checked when they were read.
    pub fn servers(&self) -> io::Result<Vec<ServerAddr>> {
        self.url.expose().map(str::parse).collect()
    }

    /// The same for each server by itself.
    pub fn of_each_server(&self) -> Vec<Self> {
        let mut shared = self.clone();
        // Those of one URL are for all.
        match self.url.credentials() {
            Some(UrlCredentials::User(user, password)) => {
                shared.user = Some(user);
                shared.password = Some(password);
            }
            Some(UrlCredentials::Token(token)) => shared.token = Some(token),
            None => {}
        }
        let alone = |url| Self {
            url,
            ..shared.clone()
        };
        self.url.each().map(alone).collect()
    }

    /// Credentials, TLS and names for one connection.
    ///
    /// Reads the credentials file every time, so that a renewed one is used at the next connection.
    ///
    /// # Errors
    ///
    /// When the credentials file cannot be read or holds no credentials.
    pub async fn connect_options(&self) -> io::Result<ConnectOptions> {
        let options = self.with_credentials(ConnectOptions::new()).await?;
        let options = self.with_tls(options);
        Ok(options
            .name(&self.name)
            .custom_inbox_prefix(&self.inbox_prefix)
            .connection_timeout(self.connect_timeout)
            .request_timeout(Some(self.request_timeout)))
    }

    async fn with_credentials(&self, options: ConnectOptions) -> io::Result<ConnectOptions> {
        if let Some(file) = &self.credentials_file {
            return options.credentials_file(file).await;
        }
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            return Ok(options.user_and_password(user.clone(), password.expose().to_owned()));
        }
        if let Some(token) = &self.token {
            return Ok(options.token(token.expose().to_owned()));
        }
        if let Some(seed) = &self.nkey_seed {
            return Ok(options.nkey(seed.expose().to_owned()));
        }
        // The library takes no credentials from URLs by itself.
        Ok(match self.url.credentials() {
            Some(UrlCredentials::User(user, password)) => {
                options.user_and_password(user, password.expose().to_owned())
            }
            Some(UrlCredentials::Token(token)) => options.token(token.expose().to_owned()),
            None => options,
        })
    }

    fn with_tls(&self, mut options: ConnectOptions) -> ConnectOptions {
        if self.require_tls {
            options = options.require_tls(true);
        }
        if self.tls_first {
            options = options.tls_first();
        }
        if let Some(file) = &self.tls_ca_file {
            options = options.add_root_certificates(file.clone());
        }
        if let (Some(certificate), Some(key)) = (&self.tls_cert_file, &self.tls_key_file) {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        options
    }
}
