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

{{- /* (dict "root" . "image" "api" "goal" "schema" "seconds" 600 "need" "required" "env" "cryptosource.databaseEnv") */ -}}
{{- define "cryptosource.wait" -}}
- name: wait-for-{{ .goal }}
  image: {{ include "cryptosource.image" (list .root .image) }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [python]
  args:
    - -c
    - |
      {{- .root.Files.Get "files/wait.py" | nindent 6 }}
    - {{ .goal }}
    - {{ .seconds | quote }}
    - {{ .need }}
  env:
    {{- include .env .root | nindent 4 }}
  resources:
    {{- toYaml .root.Values.migrations.resources | nindent 4 }}
  securityContext:
    {{- include "cryptosource.containerSecurity" .root | nindent 4 }}
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
