package main

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/operations"
)

// awsModel is a service model of AWS's, as botocore and the SDK for JavaScript have it.
type awsModel struct {
	Metadata struct {
		APIVersion     string `json:"apiVersion"`
		EndpointPrefix string `json:"endpointPrefix"`
		SigningName    string `json:"signingName"`
		ServiceID      string `json:"serviceId"`
		Protocol       string `json:"protocol"`
	} `json:"metadata"`
	Operations map[string]awsOperation `json:"operations"`
	Shapes     map[string]awsShape     `json:"shapes"`
}

type awsOperation struct {
	HTTP struct {
		Method     string `json:"method"`
		RequestURI string `json:"requestUri"`
	} `json:"http"`
	Input awsShape `json:"input"`
}

type awsShape struct {
	Shape    string   `json:"shape"`
	Required []string `json:"required"`
	Members  map[string]struct {
		Location     string `json:"location"`
		LocationName string `json:"locationName"`
	} `json:"members"`
}

// aws reads service models: of each service the newest.
func (s *source) aws(m *maker, o *opened) error {
	files, err := o.files(s.Files, s.Except...)
	if err != nil {
		return err
	}
	newest := map[string]*awsModel{}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		model := &awsModel{}
		if err := json.Unmarshal(src, model); err != nil {
			return err
		}
		md := &model.Metadata
		id := cmp.Or(md.ServiceID, md.EndpointPrefix)
		if had := newest[id]; md.EndpointPrefix != "" && (had == nil || had.Metadata.APIVersion < md.APIVersion) {
			newest[id] = model
		}
	}
	ids := make([]string, 0, len(newest))
	for id := range newest {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		newest[id].tables(m)
	}
	return nil
}

func (model *awsModel) tables(m *maker) {
	prefix := model.Metadata.EndpointPrefix
	var keys []string
	for _, host := range []string{prefix + ".us-east-1.amazonaws.com", prefix + ".amazonaws.com"} {
		for _, p := range m.catalog.places(host) {
			if !slices.Contains(keys, p.key) {
				keys = append(keys, p.key)
			}
		}
	}
	names := make([]string, 0, len(model.Operations))
	for name := range model.Operations {
		names = append(names, name)
	}
	slices.Sort(names)
	hosts := awsHosts(prefix)
	for _, name := range names {
		e := model.entry(name)
		e.Host = hosts
		for _, key := range keys {
			if m.catalog.special[key].S3 == "" {
				m.put(key, e, true)
			}
		}
		if prefix != "s3" {
			continue
		}
		for key := range m.catalog.byKey {
			sp, own := m.catalog.special[key], e
			if sp.S3 == "" && key != "aws" {
				continue
			}
			if own.Host = sp.S3; sp.S3 == "*" {
				own.Host = ""
			}
			if key != "aws" {
				m.put(key, own, true)
			} else {
				sp.S3Host = "*.s3.amazonaws.com *.s3.*.amazonaws.com *.s3.dualstack.*.amazonaws.com *.s3-*.amazonaws.com *.s3.*.amazonaws.com.cn"
			}
			if sp.S3Host != "" && strings.HasPrefix(own.Template, "/{Bucket}") {
				own.Host, own.Virtual = sp.S3Host, true
				m.put(key, own, true)
			}
		}
	}
}

// awsHosts are the hosts of a service: global, regional, FIPS, dual stack, China.
func awsHosts(prefix string) string {
	return strings.Join([]string{prefix + ".amazonaws.com", prefix + ".*.amazonaws.com", prefix + ".dualstack.*.amazonaws.com", prefix + "-fips.*.amazonaws.com", prefix + ".*.amazonaws.com.cn", prefix + ".*.api.aws"}, " ")
}

func (model *awsModel) entry(name string) operations.Entry {
	op := model.Operations[name]
	service := cmp.Or(model.Metadata.SigningName, model.Metadata.EndpointPrefix)
	e := operations.Entry{Name: operations.AWSName(service, name), Effect: operations.AWSEffect(service, name)}
	if !strings.HasPrefix(model.Metadata.Protocol, "rest") {
		e.Method, e.Template = operations.Action, "/"+name
		return e
	}
	e.Method, e.Template = cmp.Or(op.HTTP.Method, "POST"), cmp.Or(op.HTTP.RequestURI, "/")
	in := op.Input
	if in.Shape != "" {
		in = model.Shapes[in.Shape]
	}
	for _, field := range in.Required {
		if f := in.Members[field]; f.Location == "querystring" && !strings.Contains(e.Template, f.LocationName+"=") {
			sep := "?"
			if strings.Contains(e.Template, "?") {
				sep = "&"
			}
			e.Template += sep + f.LocationName
		}
	}
	e.From, e.To = operations.ResourceOf(e.Template)
	return e
}
