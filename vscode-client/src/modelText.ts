/**
 * What `meaning-ls models --json` says, and how it reads in a list. Text in, text out.
 */
import type { Translate } from './statusText.js';

/** The part of a model's description that is shown. */
export interface Model {
  id: string;
  megabytes: number;
  licence: string;
  gated: boolean;
  /** Mean quality on code retrieval, 0 to 100; 0 when unknown. */
  coir: number;
  /** Whether this machine runs it well. */
  fits: boolean;
  textsPerSecond: number;
  /** Folders where it lies. */
  installed: readonly string[];
}

export interface Models {
  /** What "auto" means here. */
  picked: string;
  models: readonly Model[];
}

/** Return the models that this machine can use, those that are here first and then the best. */
export function suitable(models: readonly Model[]): Model[] {
  const isHere = (model: Model): number => Number(model.installed.length > 0);
  return models
    .filter((model) => model.installed.length > 0 || (model.fits && !model.gated))
    .sort((a, b) => isHere(b) - isHere(a) || b.coir - a.coir);
}

/** Say how large, how good and how fast a model is. */
export function aboutModel(model: Model, t: Translate): string {
  const speed = model.textsPerSecond < 10 ? model.textsPerSecond.toFixed(1) : model.textsPerSecond.toFixed(0);
  return [
    model.installed.length > 0 ? t('installed') : t('download of {0} MB', model.megabytes.toFixed(0)),
    ...(model.coir > 0 ? [t('quality {0}', model.coir)] : []),
    t('about {0} symbols a second', speed),
    model.licence,
  ].join(' · ');
}
