// Command portreeve-nodes judges node files with the code of those that read them on a node: containerd's directory of
// registry hosts, and the policy and the registries of Podman, Buildah and CRI-O.
//
// One JSON question per line in, one JSON answer per line out, in the same order.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/distribution/reference"
	"go.podman.io/image/v5/docker/policyconfiguration"
	imagereference "go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

type question struct {
	// Ask is policy (may these be pulled?), hosts (what does containerd ask?) or registries (where from, or blocked?).
	Ask        string   `json:"ask"`
	Path       string   `json:"path"`
	References []string `json:"references"`
}

type answer struct {
	Error   string   `json:"error,omitempty"`
	Results []result `json:"results,omitempty"`
}

type result struct {
	Allowed bool     `json:"allowed"`
	Error   string   `json:"error,omitempty"`
	Hosts   []string `json:"hosts,omitempty"`
}

// The docker transport as far as a policy looks at it. The whole of it would bring in an HTTP client and a store.
type dockerTransport struct{}

func (dockerTransport) Name() string { return "docker" }
func (dockerTransport) ParseReference(string) (types.ImageReference, error) {
	return nil, errors.New("not used")
}
func (dockerTransport) ValidatePolicyConfigurationScope(string) error { return nil }

type image struct {
	types.ImageReference
	named imagereference.Named
}

func (i image) Transport() types.ImageTransport       { return dockerTransport{} }
func (i image) StringWithinTransport() string         { return "//" + i.named.String() }
func (i image) DockerReference() imagereference.Named { return i.named }
func (i image) PolicyConfigurationNamespaces() []string {
	return policyconfiguration.DockerReferenceNamespaces(i.named)
}
func (i image) PolicyConfigurationIdentity() string {
	identity, err := policyconfiguration.DockerReferenceIdentity(i.named)
	if err != nil {
		panic(err)
	}
	return identity
}

type unparsed struct {
	types.UnparsedImage
	image image
}

func (u unparsed) Reference() types.ImageReference { return u.image }

// named reads a reference as the kubelet's runtimes do: where there is a digest, the tag does not count.
func named(text string) (imagereference.Named, error) {
	read, err := reference.ParseDockerRef(text)
	if err != nil {
		return nil, err
	}
	return imagereference.ParseNormalizedNamed(read.String())
}

func policy(path string, references []string) answer {
	read, err := signature.NewPolicyFromFile(path)
	if err != nil {
		return answer{Error: err.Error()}
	}
	judge, err := signature.NewPolicyContext(read)
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer judge.Destroy()
	given := answer{}
	for _, text := range references {
		name, err := named(text)
		if err != nil {
			given.Results = append(given.Results, result{Error: err.Error()})
			continue
		}
		allowed, err := judge.IsRunningImageAllowed(context.Background(), unparsed{image: image{named: name}})
		one := result{Allowed: allowed}
		if err != nil {
			one.Error = err.Error()
		}
		given.Results = append(given.Results, one)
	}
	return given
}

// hosts answers whom containerd would ask for the manifest of each reference, as its CRI plugin sets it up.
func hosts(path string, references []string) answer {
	directory := config.HostDirFromRoot(path)
	find := config.ConfigureHosts(context.Background(), config.HostOptions{HostDir: directory})
	given := answer{}
	for _, text := range references {
		read, err := reference.ParseDockerRef(text)
		if err != nil {
			given.Results = append(given.Results, result{Error: err.Error()})
			continue
		}
		found, err := find(reference.Domain(read))
		one := result{}
		if err != nil {
			one.Error = err.Error()
		}
		for _, host := range found {
			if host.Capabilities.Has(docker.HostCapabilityPull) || host.Capabilities.Has(docker.HostCapabilityResolve) {
				one.Hosts = append(one.Hosts, fmt.Sprintf("%s://%s%s", host.Scheme, host.Host, host.Path))
			}
		}
		one.Allowed = len(one.Hosts) > 0
		if !one.Allowed && one.Error == "" { // Nobody may be asked, so this goes nowhere: what containerd says of it.
			resolver := docker.NewResolver(docker.ResolverOptions{Hosts: find})
			if _, _, err := resolver.Resolve(context.Background(), read.String()); err != nil {
				one.Error = err.Error()
			}
		}
		given.Results = append(given.Results, one)
	}
	return given
}

func registries(path string, references []string) answer {
	system := &types.SystemContext{SystemRegistriesConfPath: path, SystemRegistriesConfDirPath: "/nonexistent"}
	sysregistriesv2.InvalidateCache()
	unqualified, err := sysregistriesv2.UnqualifiedSearchRegistries(system)
	if err != nil {
		return answer{Error: err.Error()}
	}
	if len(unqualified) != 0 {
		return answer{Error: "short names are looked for"}
	}
	given := answer{}
	for _, text := range references {
		name, err := named(text)
		if err != nil {
			given.Results = append(given.Results, result{Error: err.Error()})
			continue
		}
		registry, err := sysregistriesv2.FindRegistry(system, name.String())
		if err != nil {
			given.Results = append(given.Results, result{Error: err.Error()})
			continue
		}
		if registry == nil {
			given.Results = append(given.Results, result{Allowed: true, Hosts: []string{name.String()}})
			continue
		}
		one := result{Allowed: !registry.Blocked}
		sources, err := registry.PullSourcesFromReference(name)
		if err != nil {
			one.Error = err.Error()
		}
		for _, source := range sources {
			one.Hosts = append(one.Hosts, source.Reference.String())
		}
		given.Results = append(given.Results, one)
	}
	return given
}

func main() {
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	in.Buffer(nil, 16<<20)
	asks := map[string]func(string, []string) answer{"policy": policy, "hosts": hosts, "registries": registries}
	for in.Scan() {
		var asked question
		given := answer{Error: "no such question"}
		if err := json.Unmarshal(in.Bytes(), &asked); err != nil {
			given = answer{Error: err.Error()}
		} else if ask := asks[asked.Ask]; ask != nil {
			given = ask(asked.Path, asked.References)
		}
		if err := out.Encode(given); err != nil {
			os.Exit(1)
		}
	}
}
