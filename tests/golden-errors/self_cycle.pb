
:
xPlaceholder*
dtype0*
shape:

aAddV2xa

yRelua