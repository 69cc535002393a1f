package caddymodule_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type container struct {
	Name         string
	Image        string
	Command      []string
	Args         []string
	Env          []struct{ Name, Value string }
	VolumeMounts []struct {
		Name     string
		ReadOnly bool `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
	SecurityContext struct {
		RunAsNonRoot bool `yaml:"runAsNonRoot"`
	} `yaml:"securityContext"`
	RestartPolicy string `yaml:"restartPolicy"`
}

type manifest struct {
	Kind string
	Data map[string]string
	Spec struct {
		Template struct {
			Spec struct {
				InitContainers []container `yaml:"initContainers"`
				Containers     []container
				Volumes        []struct {
					Name      string
					Secret    *struct{ SecretName string }
					ConfigMap *struct{ Name string } `yaml:"configMap"`
				}
			}
		}
	}
}

// TestKubernetesExample reads docs/kubernetes.md: its YAML is valid, its
// Caddyfile adapts, and the agent's container gets no secret.
func TestKubernetesExample(t *testing.T) {
	text, err := os.ReadFile("../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```yaml\n")
	block, _, ok := strings.Cut(block, "```")
	if !ok {
		t.Fatal("no YAML in docs/kubernetes.md")
	}
	kinds := map[string]manifest{}
	for d := yaml.NewDecoder(bytes.NewReader([]byte(block))); ; {
		var m manifest
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		kinds[m.Kind] = m
	}
	if got := adapt(kinds["ConfigMap"].Data["Caddyfile"]); !strings.HasPrefix(got, "{") {
		t.Errorf("adapting its Caddyfile = %s", got)
	}
	pod := kinds["Deployment"].Spec.Template.Spec
	secret := map[string]bool{}
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
		secret[v.Name] = v.Secret != nil
	}
	if len(pod.Containers) != 1 || len(pod.InitContainers) != 2 || pod.InitContainers[0].RestartPolicy != "Always" {
		t.Fatalf("want one agent, a sidecar and what hands over the CA; have %+v", pod)
	}
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("container %s mounts %s, which there is not", c.Name, m.Name)
			}
			if c.Name == "agent" && (m.Name != "trust" || !m.ReadOnly) {
				t.Errorf("the agent mounts %s, want the certificates alone, read-only", m.Name)
			}
			if secret[m.Name] && c.Name != "attache" {
				t.Errorf("container %s mounts the secret %s", c.Name, m.Name)
			}
		}
		if c.Name != "agent" && !c.SecurityContext.RunAsNonRoot {
			t.Errorf("container %s may run as root", c.Name)
		}
	}
}
