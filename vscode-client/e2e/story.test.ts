/**
 * The extension in a real workbench, with the real server and the real model, as somebody meets it who has just installed
 * it. One story in chapters: each test goes on where the one before it ended.
 */
import './chapters/arriving.js';
import './chapters/asking.js';
import './chapters/narrowing.js';
import './chapters/keeping.js';
import './chapters/trouble.js';
import './chapters/living.js';
import './chapters/ending.js';
