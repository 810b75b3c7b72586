{{- define "cryptosource.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "cryptosource.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* What every pod without rights in the cluster has. */ -}}
{{- define "cryptosource.podStart" -}}
serviceAccountName: {{ include "cryptosource.fullname" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- include "cryptosource.pullSecrets" . }}
securityContext:
  {{- include "cryptosource.podSecurity" . | nindent 2 }}
{{- end -}}

{{- define "cryptosource.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ if kindIs "map" . }}{{ .name }}{{ else }}{{ . }}{{ end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "cryptosource.databaseEnv" -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "cryptosource.databaseSecret" . }}
      key: {{ include "cryptosource.databaseKey" . }}
{{- end -}}

{{- define "cryptosource.ownerEnv" -}}
{{- with .Values.database.owner }}
{{- if .existingSecret -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ tpl .existingSecret $ }}
      key: {{ .existingSecretKeys.uri }}
{{- else -}}
{{- include "cryptosource.databaseEnv" $ }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* What every container of an init container's or a Job's size has: (dict "root" . "env" "cryptosource.databaseEnv") */ -}}
{{- define "cryptosource.smallContainer" -}}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
  {{- include .env .root | nindent 2 }}
resources:
  {{- toYaml .root.Values.migrations.resources | nindent 2 }}
securityContext:
  {{- include "cryptosource.containerSecurity" .root | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - {name: scratch, mountPath: /tmp}
{{- end -}}

{{- define "cryptosource.scratch" -}}
- name: scratch
  emptyDir: {}
{{- end -}}

{{- /* (list . "operator") */ -}}
{{- define "cryptosource.placement" -}}
{{- $values := index . 0 -}}
{{- range $name := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
{{- with index $values $name }}
{{ $name }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
