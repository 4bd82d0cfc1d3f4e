"""Identity: the sign-in policy of a studio, its identity providers (OIDC, SAML), and the middleware that opens a studio."""
