package sign

import "go.yaml.in/yaml/v3"

// kinds are the signers with a name of their own, for schemes that a template
// cannot express because of a state, a stream or their size. To add one: write
// its file, its vectors under testdata, and its line here. params is nil when
// only the name was given.
var kinds = map[string]func(c *compiler, params *yaml.Node) (placer, error){
	"digest": newDigest,
	"oauth1": newOAuth1,
	"sigv4":  newSigV4,
}
