{{- define "agent.name" -}}portreeve-agent{{- end -}}

{{- define "agent.labels" -}}
app.kubernetes.io/name: portreeve-agent
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: portreeve
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "agent.selector" -}}
app.kubernetes.io/name: portreeve-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "agent.image" -}}
{{- $registry := .Values.global.imageRegistry | default .Values.image.registry -}}
{{- $name := ternary .Values.image.repository (printf "%s/%s" $registry .Values.image.repository) (empty $registry) -}}
{{- if .Values.image.digest -}}
{{ $name }}@{{ .Values.image.digest }}
{{- else -}}
{{ $name }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The agent as the API server knows it. */}}
{{- define "agent.user" -}}system:serviceaccount:{{ .Release.Namespace }}:portreeve-agent{{- end -}}

{{/* Namespaces that are never touched, as a list in CEL. */}}
{{- define "agent.systemNamespaces" -}}['kube-node-lease', 'kube-public', 'kube-system']{{- end -}}

{{/* "true" if an object of monitoring.coreos.com is to be rendered. Takes: root, mode, kind. */}}
{{- define "agent.monitoring" -}}
{{- $known := .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind) -}}
{{- if and (eq .mode "failIfMissing") (not $known) -}}
{{- fail (printf "the cluster does not know monitoring.coreos.com/v1 %s, and its renderMode is failIfMissing" .kind) -}}
{{- end -}}
{{- if or $known (eq .mode "alwaysRender") -}}true{{- end -}}
{{- end -}}
