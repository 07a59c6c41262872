// Renders charts as `helm template` does, and directories as `kustomize build` does, with the engines of both.
//
// One request in JSON a line, one answer in JSON a line. Of the programs only what reads the command line is left out.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

type request struct {
	Chart       string         `json:"chart"`
	Kustomize   string         `json:"kustomize"`
	Release     string         `json:"release"`
	Namespace   string         `json:"namespace"`
	Values      map[string]any `json:"values"`
	APIVersions []string       `json:"apiVersions"`
	KubeVersion string         `json:"kubeVersion"`
}

type answer struct {
	Files map[string]string `json:"files"`
	Notes string            `json:"notes"`
	Error string            `json:"error"`
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		if err := out.Encode(answered(line)); err != nil {
			return
		}
	}
}

func answered(line []byte) answer {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Error: err.Error()}
	}
	render := chart
	if asked.Kustomize != "" {
		render = kustomized
	}
	found, err := render(asked)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return found
}

func chart(asked request) (answer, error) {
	loaded, err := loader.Load(asked.Chart)
	if err != nil {
		return answer{}, err
	}
	capabilities := *chartutil.DefaultCapabilities
	capabilities.APIVersions = append(chartutil.VersionSet{}, asked.APIVersions...)
	version, err := chartutil.ParseKubeVersion(asked.KubeVersion)
	if err != nil {
		return answer{}, err
	}
	capabilities.KubeVersion = *version
	release := chartutil.ReleaseOptions{Name: asked.Release, Namespace: asked.Namespace, Revision: 1, IsInstall: true}
	values, err := chartutil.ToRenderValues(loaded, asked.Values, release, &capabilities)
	if err != nil {
		return answer{}, err
	}
	rendered, err := engine.Render(loaded, values)
	if err != nil {
		return answer{}, err
	}
	found := answer{Files: map[string]string{}}
	for name, text := range rendered {
		switch {
		case path.Base(name) == "NOTES.txt":
			found.Notes = text
		case strings.HasPrefix(path.Base(name), "_") || strings.TrimSpace(text) == "":
		default:
			found.Files[name] = text
		}
	}
	return found, nil
}

func kustomized(asked request) (answer, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), asked.Kustomize)
	if err != nil {
		return answer{}, err
	}
	text, err := built.AsYaml()
	if err != nil {
		return answer{}, err
	}
	return answer{Files: map[string]string{"kustomized.yaml": string(text)}}, nil
}
