{{- /* Names leave room for the suffixes of this chart and of Kubernetes' own. */ -}}
{{- define "cryptosource.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 32 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 32 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 32 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "cryptosource.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "cryptosource.labels" -}}
{{ include "cryptosource.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: cryptosource
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "cryptosource.tag" -}}
{{- default .Chart.AppVersion .Values.image.tag -}}
{{- end -}}

{{- /* (list . "etl") */ -}}
{{- define "cryptosource.image" -}}
{{- $root := index . 0 -}}
{{- printf "%s/%s:%s" $root.Values.image.repository (index . 1) (include "cryptosource.tag" $root) -}}
{{- end -}}

{{- define "cryptosource.operatorAccount" -}}
{{- if .Values.operator.serviceAccount.create -}}
{{- default (printf "%s-operator" (include "cryptosource.fullname" .)) .Values.operator.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.operator.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "cryptosource.databaseName" -}}
{{- printf "%s-database" (include "cryptosource.fullname" .) -}}
{{- end -}}

{{- define "cryptosource.development" -}}
{{- if and .Values.database.development.enabled (not .Values.database.existingSecret) -}}true{{- end -}}
{{- end -}}

{{- define "cryptosource.databaseSecret" -}}
{{- if .Values.database.existingSecret -}}
{{- tpl .Values.database.existingSecret . -}}
{{- else if .Values.database.development.enabled -}}
{{- include "cryptosource.databaseName" . -}}
{{- else -}}
{{- fail "there is no database: name a Secret in database.existingSecret, or leave database.development.enabled true" -}}
{{- end -}}
{{- end -}}

{{- define "cryptosource.databaseKey" -}}
{{- if .Values.database.existingSecret -}}{{ .Values.database.existingSecretKeys.uri }}{{- else -}}uri{{- end -}}
{{- end -}}
