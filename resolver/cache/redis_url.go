package cache

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Times after which Redis counts as away. A cache that is slower than the token
// endpoint is of no use.
const (
	dialTimeout = time.Second
	ioTimeout   = 500 * time.Millisecond
)

// dialRedis makes a client from a URL; it connects at the first command.
//
//	redis:6379                                        a single server
//	redis://user:password@host:6379/0                 the same, with more
//	rediss://host:6380                                TLS
//	unix:///run/redis.sock                            a socket file
//	redis://host:26379?master_name=m&addr=host2:26379 Sentinel
//	redis://host:6379?cluster=true&addr=host2:6379    Cluster
func dialRedis(raw string, conf *tls.Config) (redis.UniversalClient, error) {
	if !strings.Contains(raw, "://") {
		raw = "redis://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" && u.Scheme != "unix" {
		return nil, errors.New("redis: want an address such as redis:6379 or rediss://user:password@host:6379/0")
	}
	if conf != nil && u.Scheme != "rediss" {
		return nil, errors.New("redis: TLS settings need a rediss:// URL")
	}
	q := u.Query()
	cluster := q.Get("cluster") == "true"
	q.Del("cluster")
	u.RawQuery = q.Encode()
	switch {
	case q.Get("master_name") != "" && cluster:
		return nil, errors.New("redis: master_name is for Sentinel and cluster=true for Cluster; choose one")
	case q.Get("master_name") != "":
		return dialSentinel(u, conf)
	case cluster:
		return dialCluster(u, conf)
	case q.Has("addr"):
		return nil, errors.New("redis: several addresses need master_name=NAME (Sentinel) or cluster=true")
	}
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, urlError(err)
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.MaxRetries = dialTimeout, ioTimeout, ioTimeout, 1
	o.TLSConfig, o.DisableIdentity, o.MaintNotificationsConfig = mergeTLS(o.TLSConfig, conf), true, noMaintenance()
	return redis.NewClient(o), nil
}

func dialSentinel(u *url.URL, conf *tls.Config) (redis.UniversalClient, error) {
	o, err := redis.ParseFailoverURL(u.String())
	if err != nil {
		return nil, urlError(err)
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.MaxRetries = dialTimeout, ioTimeout, ioTimeout, 1
	o.TLSConfig, o.DisableIdentity = mergeTLS(o.TLSConfig, conf), true
	return redis.NewFailoverClient(o), nil
}

func dialCluster(u *url.URL, conf *tls.Config) (redis.UniversalClient, error) {
	o, err := redis.ParseClusterURL(u.String())
	if err != nil {
		return nil, urlError(err)
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.MaxRetries = dialTimeout, ioTimeout, ioTimeout, 1
	o.TLSConfig, o.DisableIdentity, o.MaintNotificationsConfig = mergeTLS(o.TLSConfig, conf), true, noMaintenance()
	return redis.NewClusterClient(o), nil
}

// urlError keeps passwords out: the library's errors may quote the URL.
func urlError(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("redis: the URL cannot be used: %w", err)
}

// mergeTLS is conf with the server name that the library took from the URL.
func mergeTLS(parsed, conf *tls.Config) *tls.Config {
	if conf == nil || parsed == nil {
		return parsed
	}
	c := conf.Clone()
	if c.ServerName == "" {
		c.ServerName = parsed.ServerName
	}
	return c
}

// noMaintenance switches off a handshake that only one vendor's servers know.
func noMaintenance() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// CheckRedisURL says what is wrong with an address before it is used.
func CheckRedisURL(raw string, withTLS bool) error {
	var conf *tls.Config
	if withTLS {
		conf = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	client, err := dialRedis(raw, conf)
	if err != nil {
		return err
	}
	return client.Close()
}
