package expr

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// xmls read and write the flat XML that payment services sign.
var xmls = []function{
	{name: "xml", params: []*cel.Type{text}, result: cel.ListType(cel.ListType(cel.StringType)),
		doc: "[name, text] for each member of an XML document's root, in order; entities and CDATA decoded",
		call: func(args []ref.Val) ref.Val {
			members, _, err := xmlMembers(bytesOf(args[0]))
			if err != nil {
				return fail("xml: " + err.Error())
			}
			ps := make([]Pair, len(members))
			for i, m := range members {
				ps[i] = m.Pair
			}
			return pairList(ps)
		}},
	{name: "xml_with", params: []*cel.Type{text, cel.StringType, cel.StringType}, result: cel.StringType,
		doc: "the XML document with a member of its root set: name, text. Older ones of that name go; the rest stays as it is",
		call: func(args []ref.Val) ref.Val {
			out, err := xmlWith(bytesOf(args[0]), stringOf(args[1]), stringOf(args[2]))
			if err != nil {
				return fail("xml_with: " + err.Error())
			}
			return types.String(out)
		}},
}

// member is a child of the root: what it says, and where it stands.
type member struct {
	Pair
	from, to int64
}

var (
	errXML       = errors.New("the text is no XML document in UTF-8, or it has a DTD")
	errXMLNested = errors.New("a member has members of its own, which have no order to sign")
)

// xmlMembers reads the members of the root, and where its end tag begins. A document
// type is refused: what it defines would be text that is not there.
func xmlMembers(src []byte) (all []member, end int64, err error) {
	dec := xml.NewDecoder(bytes.NewReader(src))
	var chars strings.Builder
	for depth, done := 0, false; ; {
		at := dec.InputOffset()
		tok, err := dec.Token()
		if err == io.EOF && done {
			return all, end, nil
		}
		if err != nil {
			return nil, 0, errXML
		}
		switch tok := tok.(type) {
		case xml.Directive:
			return nil, 0, errXML
		case xml.StartElement:
			if depth++; depth > 2 {
				return nil, 0, errXMLNested
			}
			if done {
				return nil, 0, errXML
			}
			if depth == 2 {
				chars.Reset()
				all = append(all, member{Pair: Pair{Name: tok.Name.Local}, from: at})
			}
		case xml.CharData:
			chars.Write(tok)
		case xml.EndElement:
			if depth--; depth == 0 {
				end, done = at, true
				continue
			}
			m := &all[len(all)-1]
			m.Value, m.to = chars.String(), dec.InputOffset()
		}
	}
}

func xmlWith(src []byte, name, value string) (string, error) {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != "" || name == "" {
		return "", errors.New("want a plain name for the member")
	}
	members, end, err := xmlMembers(src)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	last := int64(0)
	for _, m := range members {
		if m.Name == name {
			out.Write(src[last:m.from])
			rest := src[m.to:end]
			last = end - int64(len(bytes.TrimLeft(rest, " \t\r\n")))
		}
	}
	out.Write(src[last:end])
	out.WriteString("<" + name + ">")
	_ = xml.EscapeText(&out, []byte(value)) // into memory
	out.WriteString("</" + name + ">")
	out.Write(src[end:])
	return out.String(), nil
}

// elements counts the list that xml makes before it is made.
func elements(r *run, args []ref.Val) error {
	n := int64(strings.Count(stringOf(args[0]), "<"))
	return firstOf(r.items(n), r.spend(n*(unitsPerValue+2*unitsPerItem)))
}
