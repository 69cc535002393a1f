package oauth

import (
	"context"
	"errors"
	"fmt"

	"github.com/attache-proxy/attache/providers/expr"
)

// tokenTypes are the short words for the identifiers of RFC 8693 §3.
var tokenTypes = map[string]string{
	"access_token":  "urn:ietf:params:oauth:token-type:access_token",
	"refresh_token": "urn:ietf:params:oauth:token-type:refresh_token",
	"id_token":      "urn:ietf:params:oauth:token-type:id_token",
	"saml1":         "urn:ietf:params:oauth:token-type:saml1",
	"saml2":         "urn:ietf:params:oauth:token-type:saml2",
	"jwt":           "urn:ietf:params:oauth:token-type:jwt",
}

// exchange8693 is an ExchangeSpec, compiled.
type exchange8693 struct {
	subject, actor     *expr.Template
	fixed              []param // what needs no template
	audience, resource []*expr.Template
}

func compileExchange(c *Config) error {
	s, k := c.spec.Exchange, c.compiler
	x := &exchange8693{}
	var err error
	if x.subject, err = k.template(or(s.SubjectToken, "{token}")); err != nil {
		return fmt.Errorf("exchange.subject_token: %w", err)
	}
	x.fixed = append(x.fixed, param{"subject_token_type", tokenType(or(s.SubjectTokenType, "access_token"))})
	if s.ActorToken != "" {
		if x.actor, err = k.template(s.ActorToken); err != nil {
			return fmt.Errorf("exchange.actor_token: %w", err)
		}
		x.fixed = append(x.fixed, param{"actor_token_type", tokenType(or(s.ActorTokenType, "access_token"))})
	} else if s.ActorTokenType != "" {
		return errors.New("exchange.actor_token_type needs actor_token")
	}
	if s.RequestedTokenType != "" {
		x.fixed = append(x.fixed, param{"requested_token_type", tokenType(s.RequestedTokenType)})
	}
	if x.audience, err = k.list("exchange.audience", s.Audience); err != nil {
		return err
	}
	if x.resource, err = k.list("exchange.resource", s.Resource); err != nil {
		return err
	}
	c.exchange = x
	return nil
}

func tokenType(s string) string { return or(tokenTypes[s], s) }

func (k *compiler) list(key string, l List) ([]*expr.Template, error) {
	var out []*expr.Template
	for _, src := range l {
		t, err := k.template(src)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		out = append(out, t)
	}
	return out, nil
}

// tokenExchange trades a token for another, narrower one or one on behalf of
// somebody (RFC 8693 §2.1).
func tokenExchange(ctx context.Context, r *run) (*Token, error) {
	x := r.c.exchange
	std := []param{{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"}}
	add := func(name string, t *expr.Template) error {
		value, err := t.Eval(&r.vars)
		if err != nil {
			return fmt.Errorf("exchange.%s: %w", name, err)
		}
		std = append(std, param{name, value})
		return nil
	}
	if err := add("subject_token", x.subject); err != nil {
		return nil, err
	}
	if x.actor != nil {
		if err := add("actor_token", x.actor); err != nil {
			return nil, err
		}
	}
	std = append(std, x.fixed...)
	for _, t := range x.audience {
		if err := add("audience", t); err != nil {
			return nil, err
		}
	}
	for _, t := range x.resource {
		if err := add("resource", t); err != nil {
			return nil, err
		}
	}
	if p, ok := r.scopeParam(); ok {
		std = append(std, p)
	}
	return r.ask(ctx, r.c.token, std)
}
