/** Who would undo a change that is made in the cluster. */
import { expect, test } from 'vitest'

import type { KubernetesObject } from '../../src/kubernetes/objects.ts'
import { ownerOf, type Owner } from '../../src/rotation/owner.ts'

function objectWith(metadata: Record<string, unknown>): KubernetesObject {
  return {
    resourceVersion: '1',
    metadata,
    type: 'Opaque',
    immutable: false,
    data: new Map(),
    binaryData: new Map(),
  }
}

const DATA = { 'f:data': { 'f:app.json': {} } }
const LABELLED = { 'f:metadata': { 'f:labels': { 'f:app.kubernetes.io/instance': {} } } }

function managed(manager: string, fields: object = DATA): object {
  return { managedFields: [{ manager, operation: 'Update', fieldsV1: fields }] }
}

const ROWS: readonly (readonly [string, object, Owner | undefined])[] = [
  ['nobody', {}, undefined],
  [
    'Argo CD by its annotation',
    {
      annotations: { 'argocd.argoproj.io/tracking-id': 'shop:/Secret:prod/app' },
    },
    { tool: 'Argo CD', name: 'shop' },
  ],
  [
    'Argo CD by a label',
    { labels: { 'argocd.argoproj.io/instance': 'shop' } },
    { tool: 'Argo CD', name: 'shop' },
  ],
  ['Argo CD by what it wrote', managed('argocd-controller'), { tool: 'Argo CD', name: undefined }],
  [
    'Argo CD by what its older versions wrote',
    managed('argocd-application-controller'),
    { tool: 'Argo CD', name: undefined },
  ],
  [
    'a label that Helm charts set, too',
    { labels: { 'app.kubernetes.io/instance': 'a' } },
    undefined,
  ],
  [
    'a Kustomization of Flux',
    { labels: { 'kustomize.toolkit.fluxcd.io/name': 'apps' } },
    { tool: 'Flux', name: 'apps' },
  ],
  [
    'a release of Flux, which leaves the marks of Helm, too',
    {
      labels: { 'helm.toolkit.fluxcd.io/name': 'shop' },
      annotations: { 'meta.helm.sh/release-name': 'shop-1' },
    },
    { tool: 'Flux', name: 'shop' },
  ],
  ['Flux by what it wrote', managed('kustomize-controller'), { tool: 'Flux', name: undefined }],
  [
    'Helm by its annotation',
    { annotations: { 'meta.helm.sh/release-name': 'shop' } },
    { tool: 'Helm', name: 'shop' },
  ],
  ['Helm by what it wrote', managed('helm'), { tool: 'Helm', name: undefined }],
  [
    'Argo CD that tracks by a label, once somebody else wrote its entries',
    {
      labels: { 'app.kubernetes.io/instance': 'shop' },
      managedFields: [
        { manager: 'secretmanager', operation: 'Update', fieldsV1: DATA },
        { manager: 'argocd-controller', operation: 'Apply', fieldsV1: LABELLED },
      ],
    },
    { tool: 'Argo CD', name: 'shop' },
  ],
  [
    'Argo CD that tracks by a label of its own choice',
    managed('argocd-controller', LABELLED),
    { tool: 'Argo CD', name: undefined },
  ],
  [
    'Flux and Helm, once somebody else wrote its entries',
    {
      labels: { 'helm.toolkit.fluxcd.io/name': 'shop' },
      managedFields: [{ manager: 'secretmanager', operation: 'Update', fieldsV1: DATA }],
    },
    { tool: 'Flux', name: 'shop' },
  ],
  [
    'a chart of Helm that was rendered and applied',
    {
      labels: {
        'app.kubernetes.io/managed-by': 'Helm',
        'app.kubernetes.io/instance': 'shop',
      },
    },
    { tool: 'Helm', name: 'shop' },
  ],
  [
    'a chart of Helm that Argo CD rendered and applied',
    {
      labels: {
        'app.kubernetes.io/managed-by': 'Helm',
        'app.kubernetes.io/instance': 'shop',
      },
      ...managed('argocd-controller', LABELLED),
    },
    { tool: 'Argo CD', name: 'shop' },
  ],
  [
    'whoever says that it is us',
    { labels: { 'app.kubernetes.io/managed-by': 'secretmanager' } },
    undefined,
  ],
  ['a person with kubectl', managed('kubectl-client-side-apply'), undefined],
  ['ourselves', managed('secretmanager'), undefined],
  [
    'the controller of an object',
    { ownerReferences: [{ kind: 'ExternalSecret', name: 'app', controller: true }] },
    { tool: 'a controller', name: 'ExternalSecret app' },
  ],
  [
    'an owner that does not control',
    { ownerReferences: [{ kind: 'ConfigMap', name: 'app' }] },
    undefined,
  ],
  [
    'a controller that is itself kept by Argo CD',
    {
      labels: { 'argocd.argoproj.io/instance': 'shop' },
      ownerReferences: [{ kind: 'SealedSecret', name: 'app', controller: true }],
    },
    { tool: 'a controller', name: 'SealedSecret app' },
  ],
  [
    'metadata of other types than they are',
    { labels: 7, ownerReferences: {}, managedFields: 'x' },
    undefined,
  ],
]

test.each(ROWS)('an object is kept by: %s', (_who, metadata, owner) => {
  expect(ownerOf(objectWith({ ...metadata }))).toEqual(owner)
})
