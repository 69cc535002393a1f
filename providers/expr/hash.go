package expr

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// hashes are digests and MACs. All give bytes: hex() or base64() makes text.
var hashes = []function{
	digest("md5", md5.New), digest("sha1", sha1.New), digest("sha224", sha256.New224), digest("sha256", sha256.New),
	digest("sha384", sha512.New384), digest("sha512", sha512.New),
	mac("hmac_md5", md5.New), mac("hmac_sha1", sha1.New), mac("hmac_sha256", sha256.New),
	mac("hmac_sha384", sha512.New384), mac("hmac_sha512", sha512.New),
}

func digest(name string, h func() hash.Hash) function {
	return function{name: name, params: []*cel.Type{text}, result: cel.BytesType, doc: "the digest of a text",
		call: func(args []ref.Val) ref.Val {
			d := h()
			d.Write(bytesOf(args[0]))
			return types.Bytes(d.Sum(nil))
		}}
}

func mac(name string, h func() hash.Hash) function {
	return function{name: name, params: []*cel.Type{text, text}, result: cel.BytesType, doc: "the HMAC with a key of a text",
		call: func(args []ref.Val) ref.Val {
			m := hmac.New(h, bytesOf(args[0]))
			m.Write(bytesOf(args[1]))
			return types.Bytes(m.Sum(nil))
		}}
}
