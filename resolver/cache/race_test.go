//go:build race

package cache_test

func init() { raced = true }
